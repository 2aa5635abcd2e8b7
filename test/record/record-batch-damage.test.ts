/** Damaged and made-up batches: a typed error or the truth, never a hang, never a crash. */
import { describe, expect, test } from 'vitest'
import { StreamsError } from '../../src/errors.ts'
import {
  COMPRESSIONS,
  compress,
  DECOMPRESSED_BYTES_MAX,
  decompress,
} from '../../src/record/compression.ts'
import { crc32c } from '../../src/record/crc32c.ts'
import { BatchReader, BatchWriter } from '../../src/record/record-batch.ts'
import { fixture, range, recordsOf } from './fixtures.ts'
import { randomOf, SEED } from './random.ts'

const VERIFY = { verifyCrc: true }
const CODES = ['record-batch-invalid', 'log-corrupt-batch', 'compression-unsupported']

/** Reads everything; returns the code of the typed error, or how many records there were. */
function outcome(buffer: Buffer, verifyCrc: boolean): string {
  const reader = new BatchReader()
  try {
    let count = 0
    for (let position = 0; reader.open(buffer, position, { verifyCrc }); ) {
      count += recordsOf(reader).length
      if (reader.isControl) reader.controlType()
      position = reader.nextPosition
    }
    return `${count} records`
  } catch (error) {
    if (error instanceof StreamsError && CODES.includes(error.code)) return error.code
    throw error
  }
}

function code(buffer: Buffer, options = VERIFY): string {
  return outcome(buffer, options.verifyCrc)
}

function sealCrc(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch, 21), 17)
  return batch
}

describe('a damaged batch', () => {
  test('is not there when it is cut off anywhere', () => {
    const batch = fixture('mixed-none')
    const reader = new BatchReader()
    for (let length = 0; length < batch.length; length++) {
      expect(reader.open(batch.subarray(0, length), 0, VERIFY)).toBe(false)
    }
    expect(reader.open(batch, batch.length)).toBe(false)
  })

  test('is found by its CRC at every flipped bit that the CRC covers', () => {
    const batch = fixture('mixed-none')
    for (let bit = 21 * 8; bit < batch.length * 8; bit++) {
      batch[bit >> 3]! ^= 1 << (bit & 7)
      expect(code(batch)).toBe('log-corrupt-batch')
      batch[bit >> 3]! ^= 1 << (bit & 7)
    }
  })

  test('names where it lies', () => {
    const buffer = Buffer.concat([fixture('commit'), fixture('mixed-none')])
    buffer[buffer.length - 1]! ^= 1
    const reader = new BatchReader()
    reader.open(buffer, 0, VERIFY)
    expect(() => reader.open(buffer, reader.nextPosition, VERIFY)).toThrow(
      expect.objectContaining({ code: 'log-corrupt-batch', place: { position: 78 } }),
    )
  })

  test('of another format version, size or codec is refused by name', () => {
    const versionOne = fixture('mixed-none')
    versionOne[16] = 1
    expect(code(versionOne)).toBe('record-batch-invalid')
    expect(code(Buffer.alloc(61))).toBe('record-batch-invalid')
    const negative = fixture('mixed-none')
    negative.writeInt32BE(-1, 8)
    expect(code(negative)).toBe('record-batch-invalid')
    const codec = fixture('mixed-none')
    codec[22] = 5
    expect(code(sealCrc(codec))).toBe('compression-unsupported')
  })

  test('whose counts cannot be true is refused before a record is read', () => {
    for (const [position, value] of [
      [57, 0x7fffffff],
      [57, -1],
      [57, 0],
      [57, 9],
      [23, 6],
      [23, -1],
      [27, 0x7fffffff],
      [43, 0x7fffffff],
    ] as const) {
      const batch = fixture('mixed-none')
      batch.writeInt32BE(value, position)
      expect(code(sealCrc(batch))).toBe('record-batch-invalid')
    }
  })

  test('with fewer records than bytes, or with a trailing byte, is refused', () => {
    const fewer = fixture('mixed-none')
    fewer.writeInt32BE(7, 57)
    expect(code(sealCrc(fewer))).toBe('record-batch-invalid')
    const trailing = Buffer.concat([fixture('mixed-none'), Buffer.from([0])])
    trailing.writeInt32BE(trailing.length - 12, 8)
    expect(code(sealCrc(trailing))).toBe('record-batch-invalid')
  })
})

describe(`random damage (replay: SEED=${SEED} vitest run test/record)`, () => {
  const names = [...COMPRESSIONS.map((name) => `mixed-${name}`), 'commit', 'gaps', 'several']

  test.each(names)(
    '%s, with bytes changed and the CRC made right, ends in a typed error',
    (name) => {
      const random = randomOf(SEED)
      const original = fixture(name)
      const seen = new Map<string, number>()
      for (let run = 0; run < 2000; run++) {
        let batch = Buffer.from(original)
        for (let change = Math.floor(random() * 4); change >= 0; change--) {
          const position = 21 + Math.floor(random() * (batch.length - 21))
          const kind = random()
          if (kind < 0.4) batch[position]! ^= 1 << Math.floor(random() * 8)
          else if (kind < 0.7) batch[position] = Math.floor(random() * 256)
          else if (kind < 0.85) batch.subarray(position, position + 6).fill(255)
          else batch = Buffer.concat([batch.subarray(0, position), batch.subarray(position + 1)])
        }
        if (name !== 'several') {
          batch.writeInt32BE(batch.length - 12, 8)
          sealCrc(batch)
        }
        const result = outcome(batch, name !== 'several')
        seen.set(result, (seen.get(result) ?? 0) + 1)
      }
      expect(seen.get('record-batch-invalid')).toBeGreaterThan(50)
    },
  )

  test('arbitrary bytes behind a good header end in a typed error', () => {
    const random = randomOf(SEED)
    const head = fixture('mixed-none').subarray(0, 61)
    for (let run = 0; run < 5000; run++) {
      const noise = Buffer.alloc(Math.floor(random() * 200))
      for (let index = 0; index < noise.length; index++) noise[index] = Math.floor(random() * 256)
      const batch = Buffer.concat([head, noise])
      batch.writeInt32BE(batch.length - 12, 8)
      batch.writeInt32BE(Math.floor(random() * 9), 57)
      batch[22] = Math.floor(random() * 5)
      outcome(sealCrc(batch), true)
    }
  })

  test.each(COMPRESSIONS.slice(1))('arbitrary %s data ends in a typed error', (compression) => {
    const random = randomOf(SEED)
    const original = fixture(`long-${compression}`).subarray(61)
    for (let run = 0; run < 500; run++) {
      const input = Buffer.from(original.subarray(0, random() < 0.2 ? random() * 5000 : undefined))
      for (let change = 0; change < 3; change++) {
        input[Math.floor(random() ** 4 * input.length)] = Math.floor(random() * 256)
      }
      try {
        decompress(compression, input)
      } catch (error) {
        expect(error).toMatchObject({ code: 'record-batch-invalid' })
      }
    }
  })
})

describe('compressed data', () => {
  test.each(COMPRESSIONS.slice(1))(
    'of %s that is cut off anywhere gives no whole batch',
    (name) => {
      const original = fixture(`mixed-${name}`)
      for (let length = 61; length < original.length; length++) {
        const batch = Buffer.from(original.subarray(0, length))
        batch.writeInt32BE(batch.length - 12, 8)
        const result = code(sealCrc(batch))
        // What ends a stream may be missing: the records are whole, or the batch is refused.
        expect(['record-batch-invalid', '8 records']).toContain(result)
        if (length < original.length - 12) expect(result).toBe('record-batch-invalid')
      }
    },
  )

  test('of Snappy without the framing of the Java client is read', () => {
    const raw = Buffer.from('0f386162636465666768696a6b6c6d6e6f', 'hex')
    expect(decompress('snappy', raw).toString()).toBe('abcdefghijklmno')
    // A copy that overlaps what it makes: literal "ab", then 8 bytes from 2 back.
    expect(decompress('snappy', Buffer.from('0a04616211' + '02', 'hex')).toString()).toBe(
      'ababababab',
    )
  })

  test('of Snappy that was closed and appended to repeats its header, and is read', () => {
    const parts = ['one ', 'two'].map((part) => compress('snappy', Buffer.from(part)))
    expect(decompress('snappy', Buffer.concat(parts)).toString()).toBe('one two')
  })

  test('of LZ4 with linked blocks, checksums and content size is read', () => {
    // Flags: version 1, linked, block checksum, content size, content checksum. Sums are not read.
    const head = '04224d18' + '5c' + '40' + '0a00000000000000' + '00'
    const stored = '04000080' + '61626364' + '00000000'
    const linked = '05000000' + '00' + '0400' + '1065' + '00000000'
    const frame = Buffer.from(`${head}${stored}${linked}0000000000000000`, 'hex')
    expect(decompress('lz4', frame).toString()).toBe('abcdabcde')
  })
})

describe('a batch made to blow up', () => {
  const zeros = Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1)

  test.each(COMPRESSIONS.slice(1))('in %s stops at the bound', (compression) => {
    expect(() => decompress(compression, compress(compression, zeros))).toThrow(
      expect.objectContaining({ code: 'record-batch-invalid' }),
    )
  })

  test('is not written in the first place', () => {
    const writer = new BatchWriter()
    writer.append(0, null, range(zeros), [])
    expect(() => writer.seal({ compression: 'zstd' })).toThrow(
      expect.objectContaining({ code: 'record-too-large' }),
    )
  })

  test('in snappy by its stated size alone is refused without allocating it', () => {
    const claim = Buffer.from([0xff, 0xff, 0xff, 0x3f, 0, 0])
    expect(() => decompress('snappy', claim)).toThrow(
      expect.objectContaining({ code: 'record-batch-invalid' }),
    )
  })
})
