/** What `rocksdb.ts` uses of the untyped binding. With `_`: its inside, as of the pinned version. */
declare module 'rocksdb-native' {
  export interface NativeReadBatch {
    get(key: Buffer): Promise<Buffer | null>
    tryFlush(): void
    destroy(): void
  }
  /** What the native side reads of an element of `_operations`. */
  export interface NativeOperation {
    readonly type: number
    readonly columnFamily: object
    readonly key: Uint8Array
    readonly value?: Uint8Array | null
  }
  export interface NativeWriteBatch {
    /** The operations of the next `flush`. */
    readonly _operations: NativeOperation[]
    /** Makes native room for them; needed after a push. */
    _resize(): void
    tryPut(key: Buffer, value: Buffer): void
    tryDelete(key: Buffer): void
    tryDeleteRange(from: Buffer, to: Buffer): void
    flush(): Promise<void>
    destroy(): void
  }
  export interface NativeIterator extends AsyncIterable<{ key: Buffer; value: Buffer }> {
    readonly destroyed: boolean
    destroy(error?: Error): void
    once(event: 'close', listener: () => void): void
    on(event: 'error', listener: (error: Error) => void): void
  }
  class RocksDB {
    constructor(
      path: string,
      options: {
        writeBufferSize: number
        maxWriteBufferNumber: number
        maxBackgroundJobs: number
      },
    )
    ready(): Promise<void>
    read(options: { capacity: number }): NativeReadBatch
    write(options: { capacity: number }): NativeWriteBatch
    iterator(range: {
      gte?: Buffer
      lt?: Buffer
      reverse: boolean
      limit: number
      capacity: number
    }): NativeIterator
    compactRange(from: Buffer, to: Buffer): Promise<void>
    flush(): Promise<void>
    close(): Promise<void>
  }
  export default RocksDB
}
