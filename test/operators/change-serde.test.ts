/** Changes as bytes: Kafka's form, and nothing but a typed error from what is not one. */
import { int64, StreamsError, text } from 'millrace'
import { describe, expect, test } from 'vitest'
import { changeSerde } from '../../src/operators/change-serde.ts'
import { ByteWriter } from '../../src/record/byte-writer.ts'
import type { Change } from '../../src/topology/processor.ts'

function written(change: Change<string>): Buffer {
  const output = new ByteWriter(1)
  changeSerde(text).write(change, output)
  return output.copy()
}

function read(bytes: Buffer): Change<string> {
  return changeSerde(text).read(bytes, 0, bytes.length)
}

describe('a change', () => {
  test('is written as Kafka writes it', () => {
    expect(written({ before: null, after: 'new' })).toEqual(Buffer.from('new\x01'))
    expect(written({ before: 'old', after: null })).toEqual(Buffer.from('old\x00'))
    expect(written({ before: 'old', after: 'new!' })).toEqual(
      Buffer.from('\x00\x00\x00\x04new!old\x02'),
    )
  })

  test('comes back as it was, empty rows too', () => {
    const rows = [null, '', 'x', 'ein längerer Text'.repeat(20)]
    for (const before of rows) {
      for (const after of rows) {
        if (before === null && after === null) continue
        expect(read(written({ before, after }))).toEqual({ before, after })
      }
    }
  })

  test('needs a row', () => {
    expect(() => written({ before: null, after: null })).toThrow(TypeError)
  })
})

test('bytes that are no change give a change or a typed error', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  let state = seed
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(Array.from({ length: next(24) }, () => next(4)))
    try {
      changeSerde(int64).read(bytes, 0, bytes.length)
    } catch (error) {
      expect(error, `SEED=${seed}`).toBeInstanceOf(StreamsError)
    }
  }
})
