import { describe, expect, it } from 'vitest'
import { LINE_BYTES_MAX, LineSplitter } from '../../../examples/web-log/lines.ts'

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Lines of a text that arrives in chunks of `size` bytes, and the position after each chunk. */
function split(
  text: string | Buffer,
  size = 1_000_000,
): { lines: string[]; splitter: LineSplitter } {
  const bytes = Buffer.from(text)
  const splitter = new LineSplitter(0)
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += size) {
    lines.push(...splitter.push(bytes.subarray(at, at + size)).map((line) => line.toString()))
  }
  return { lines, splitter }
}

describe('lines of a file', () => {
  it('end with a line feed or carriage return and line feed, empty ones included', () => {
    for (const size of [1, 2, 3, 100]) {
      expect(split('a\nb\r\n\n\r\nc\rd\n', size).lines).toEqual(['a', 'b', '', '', 'c\rd'])
    }
  })

  it('leave a last line without its end for later, and its position uncommitted', () => {
    const { lines, splitter } = split('one\ntw')
    expect(lines).toEqual(['one'])
    expect(splitter.position).toBe(4)
    expect(splitter.push(Buffer.from('o\n')).map(String)).toEqual(['two'])
    expect(splitter.position).toBe(8)
  })

  it('give the last line without its end when the file is finished, once', () => {
    const { splitter } = split('one\ntwo')
    expect(splitter.finish()?.toString()).toBe('two')
    expect(splitter.position).toBe(7)
    expect(splitter.finish()).toBeNull()
  })

  it.each(['\n', '\r\n'])(
    'take no empty line from the end of a line that was taken without: %j',
    (end) => {
      const splitter = new LineSplitter(7, true)
      expect(splitter.push(Buffer.from(`${end}three\n`)).map(String)).toEqual(['three'])
      expect(splitter.push(Buffer.from('\n')).map(String)).toEqual([''])
    },
  )

  it('keep bytes that are no UTF-8', () => {
    const splitter = new LineSplitter(0)
    expect(splitter.push(Buffer.from([0x61, 0xff, 0xc3, 0x0a]))).toEqual([
      Buffer.from([0x61, 0xff, 0xc3]),
    ])
  })

  it('are cut and marked when longer than the bound, and only then', () => {
    const longest = 'x'.repeat(LINE_BYTES_MAX)
    const { lines } = split(
      `${longest}\n${longest}\r\n${longest}y\n${longest}${longest}y\r\nz\n`,
      4096,
    )
    expect(lines).toEqual([longest, longest, `${longest}\n`, `${longest}\n`, 'z'])
  })

  it(`are the same however the bytes arrive (SEED=${seed})`, () => {
    let state = seed
    const random = (limit: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return (state >>> 8) % limit
    }
    const alphabet = ['a', 'b', '\n', '\r\n', '\r', ' ']
    for (let round = 0; round < 200; round++) {
      const text = Array.from({ length: random(60) }, () => alphabet[random(alphabet.length)]).join(
        '',
      )
      const whole = split(text)
      const parts = split(text, 1 + random(5))
      expect(parts.lines).toEqual(whole.lines)
      expect(parts.splitter.position).toBe(whole.splitter.position)
      expect(parts.splitter.finish()).toEqual(whole.splitter.finish())
      const last = whole.splitter.finish()
      expect(last).toBeNull()
      expect(whole.splitter.position).toBe(text.length)
    }
  })
})
