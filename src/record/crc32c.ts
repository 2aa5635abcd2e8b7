/**
 * CRC-32C (Castagnoli), the checksum of a v2 record batch: the one door to the native code.
 *
 * Journey: sealed into a batch when it is written, checked when it comes back from disk or network.
 * Where the native module cannot be loaded, the same sum is computed here, eight bytes a step.
 */
import { createRequire } from 'node:module'

type Checksum = (bytes: Uint8Array) => number

const POLYNOMIAL_REVERSED = 0x82f63b78

/** Eight tables of 256: table k gives the effect of a byte that k more bytes follow. */
const tables: readonly Int32Array[] = makeTables()

const native: Checksum | null = loadNative()

/** The CRC-32C of `bytes` from `start` to `end`, as an unsigned 32-bit integer. */
export function crc32c(bytes: Buffer, start = 0, end: number = bytes.length): number {
  if (native === null) return crc32cPortable(bytes, start, end)
  return native(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
}

/** The same sum without native code. */
export function crc32cPortable(bytes: Buffer, start = 0, end: number = bytes.length): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  let crc = -1
  let position = start
  for (; position + 8 <= end; position += 8) {
    const low = crc ^ bytes.readInt32LE(position)
    crc =
      t7[low & 255]! ^
      t6[(low >>> 8) & 255]! ^
      t5[(low >>> 16) & 255]! ^
      t4[low >>> 24]! ^
      t3[bytes[position + 4]!]! ^
      t2[bytes[position + 5]!]! ^
      t1[bytes[position + 6]!]! ^
      t0[bytes[position + 7]!]!
  }
  for (; position < end; position++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[position]!) & 255]!
  return ~crc >>> 0
}

function makeTables(): readonly Int32Array[] {
  const made = Array.from({ length: 8 }, () => new Int32Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL_REVERSED : 0)
    made[0]![byte] = crc
  }
  for (let table = 1; table < 8; table++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = made[table - 1]![byte]!
      made[table]![byte] = (before >>> 8) ^ made[0]![before & 255]!
    }
  }
  return made
}

function loadNative(): Checksum | null {
  try {
    const module = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: Checksum }
    return module.crc32c
  } catch {
    // No prebuilt binary for this platform: the portable sum is slower, not different.
    return null
  }
}
