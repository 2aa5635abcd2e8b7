/**
 * Writes batches until it is killed, and says which it was told are written. Batch n puts n under
 * every key, so that a torn batch shows as keys that disagree.
 */
import { NodeFileSystem } from '../../src/node-file-system.ts'
import { rangeOf } from '../../src/state/byte-store.ts'
import { openRocksDB } from '../../src/state/rocksdb.ts'

const directory = process.argv[2] as string
const store = await openRocksDB({ directory, fileSystem: new NodeFileSystem() })
const [last] = await store.getMany([Buffer.from('k0')])
let number = Number(last?.toString() ?? 0)
for (;;) {
  number++
  const batch = store.newBatch()
  batch.deleteRange(Buffer.from('k'), Buffer.from('l'))
  const value = rangeOf(Buffer.from(`${number}`))
  for (let key = 0; key < 200; key++) batch.put(rangeOf(Buffer.from(`k${key}`)), value)
  await store.write(batch)
  process.stdout.write(`${number}\n`)
}
