/**
 * Compression of the records in a batch, as Kafka frames it: the one door to the codecs.
 *
 * Journey: batch writer -> [compress] -> log or wire -> [decompress] -> batch reader.
 *
 *   gzip     node:zlib, one gzip member
 *   snappy   written in the framing of the Java client (blocks of 32 KiB), read in it or raw
 *   lz4      LZ4 frame, independent blocks
 *   zstd     node:zlib, one zstd frame
 *
 * Invariant: whatever the input, decompressing allocates at most about `DECOMPRESSED_BYTES_MAX`
 * and fails only with `record-batch-invalid` or `compression-unsupported`.
 */
import zlib from 'node:zlib'
import { lz4Compress, snappyCompress } from '@platformatic/wasm-utils'
import { StreamsError } from '../errors.ts'
import { decompressLz4 } from './lz4.ts'
import { decompressSnappy, XERIAL_HEADER } from './snappy.ts'

/** How the records of a batch are compressed. */
export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** The codecs by the number in the low three bits of a batch's attributes. */
export const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** No batch may hold more: 128 times Kafka's default largest batch (`max.message.bytes`, 1 MiB). */
export const DECOMPRESSED_BYTES_MAX: number = 128 * 1024 * 1024

/** Block size of the Java client's snappy stream. */
const SNAPPY_BLOCK_BYTES = 32 * 1024

export function compress(compression: Compression, input: Buffer): Buffer {
  switch (compression) {
    case 'none':
      return input
    case 'gzip':
      return zlib.gzipSync(input)
    case 'zstd':
      return zstd().zstdCompressSync(input)
    case 'lz4':
      return lz4Compress(input)
    case 'snappy':
      return compressSnappy(input)
  }
}

export function decompress(compression: Compression, input: Buffer): Buffer {
  switch (compression) {
    case 'none':
      return input
    case 'gzip':
      return inflate('gzip', () => zlib.gunzipSync(input, LIMITS))
    case 'zstd': {
      const codec = zstd()
      return inflate('zstd', () => codec.zstdDecompressSync(input, LIMITS))
    }
    case 'lz4':
      return decompressLz4(input, DECOMPRESSED_BYTES_MAX)
    case 'snappy':
      return decompressSnappy(input, DECOMPRESSED_BYTES_MAX)
  }
}

const LIMITS = { maxOutputLength: DECOMPRESSED_BYTES_MAX }

function compressSnappy(input: Buffer): Buffer {
  const parts: Buffer[] = [XERIAL_HEADER]
  for (let start = 0; start < input.length; start += SNAPPY_BLOCK_BYTES) {
    const block = snappyCompress(input.subarray(start, start + SNAPPY_BLOCK_BYTES))
    const length = Buffer.allocUnsafe(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

/** zlib's own errors, whatever they are, become ours. */
function inflate(name: string, run: () => Buffer): Buffer {
  try {
    return run()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StreamsError('record-batch-invalid', `${name} data is malformed: ${reason}`, {
      cause,
    })
  }
}

/** zstd came to Node in 22.15: an older one must say so rather than fail in the middle. */
function zstd(): typeof zlib {
  if (typeof zlib.zstdDecompressSync === 'function') return zlib
  throw new StreamsError(
    'compression-unsupported',
    `This Node.js (${process.version}) has no zstd; it needs 22.15 or newer`,
  )
}
