/** The buffer that serdes write into. */
import { expect, test } from 'vitest'
import { ByteWriter, readInt64 } from '../../src/record/byte-writer.ts'

test('every write that has to grow the buffer lands in the grown one', () => {
  const writes: [(output: ByteWriter) => void, string][] = [
    [(output) => output.writeUint8(200), 'c8'],
    [(output) => output.writeInt16(-2), 'fffe'],
    [(output) => output.writeInt32(-2), 'fffffffe'],
    [(output) => output.writeInt64(-2), 'fffffffffffffffe'],
    [(output) => output.writeFloat64(1.5), '3ff8000000000000'],
    [(output) => output.writeText('é'), 'c3a9'],
    [(output) => output.writeText('ascii'), '6173636969'],
    [(output) => output.writeText('x'.repeat(40)), '78'.repeat(40)],
    [(output) => output.writeBytes(Buffer.from([1, 2, 3]), 1, 3), '0203'],
    [(output) => output.writeBytes(Buffer.alloc(50, 7), 0, 40), '07'.repeat(40)],
  ]
  for (const [write, hex] of writes) {
    for (let capacity = 1; capacity < 8; capacity++) {
      const output = new ByteWriter(capacity)
      output.writeUint8(1)
      write(output)
      expect(output.copy().toString('hex')).toBe(`01${hex}`)
    }
  }
})

test('a reset writer writes from the start again', () => {
  const output = new ByteWriter(4)
  output.writeText('before')
  output.reset().writeText('a')
  expect(output.bytes.toString('utf8', output.start, output.end)).toBe('a')
})

test('64-bit integers are read as written', () => {
  for (const value of [0, -1, 2 ** 32, -(2 ** 32) - 1, 2 ** 53 - 1, -(2 ** 53) + 1]) {
    const output = new ByteWriter()
    output.writeInt64(value)
    expect(readInt64(output.bytes, 0)).toBe(value)
    expect(output.bytes.readBigInt64BE(0)).toBe(BigInt(value))
  }
})
