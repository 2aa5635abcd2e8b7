/**
 * Bytes of a file in, whole lines out.
 *
 * Journey: file -> chunk -> [lines] -> record of `access-log`.
 *
 * Invariants:
 * - A line is its bytes without the line end (`\n` or `\r\n`); they are not decoded or changed.
 * - `position` is the byte after the last line handed out, so reading again from there gives the
 *   next line: the position to commit.
 * - Memory is bounded: of a line longer than `LINE_BYTES_MAX` the first `LINE_BYTES_MAX` bytes are
 *   kept, followed by a line feed, which no line can contain: that marks it as cut.
 */

/**
 * The longest line kept whole. Apache and nginx take request line, referer and user agent of about
 * 8 KiB each, and write a byte that is not printable as four (`\xhh`): 3 x 8 KiB x 4 = 96 KiB, rounded up.
 */
export const LINE_BYTES_MAX: number = 128 * 1024

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const CUT_MARK: Buffer = Buffer.from('\n')

export class LineSplitter {
  /** The byte in the file after the last line handed out. */
  position: number
  #pieces: Buffer[] = []
  /** Bytes kept in `pieces`, at most one more than a line may have (a carriage return). */
  #kept = 0
  /** Bytes of the file after `position` that were seen. */
  #pending = 0
  #skipLineEnd: boolean

  /** `skipLineEnd`: the line before `position` was taken without its end, which may have come since. */
  constructor(position: number, skipLineEnd = false) {
    this.position = position
    this.#skipLineEnd = skipLineEnd
  }

  /** The lines that this chunk completes; they share its memory. */
  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = []
    let start = 0
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start)
      if (end === -1) break
      this.#keep(chunk.subarray(start, end))
      this.#pending++
      start = end + 1
      const line = this.#take()
      if (!(this.#skipLineEnd && line.length === 0)) lines.push(line)
      this.#skipLineEnd = false
    }
    this.#keep(chunk.subarray(start))
    return lines
  }

  /** The last line, when the file ends without a line end; null when there is none. */
  finish(): Buffer | null {
    return this.#pending === 0 ? null : this.#take()
  }

  #keep(bytes: Buffer): void {
    this.#pending += bytes.length
    const room = LINE_BYTES_MAX + 1 - this.#kept
    if (bytes.length === 0 || room === 0) return
    const kept = bytes.length > room ? bytes.subarray(0, room) : bytes
    this.#pieces.push(kept)
    this.#kept += kept.length
  }

  #take(): Buffer {
    const whole = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
    const line = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole
    this.position += this.#pending
    this.#pieces = []
    this.#kept = 0
    this.#pending = 0
    if (line.length <= LINE_BYTES_MAX) return line
    return Buffer.concat([line.subarray(0, LINE_BYTES_MAX), CUT_MARK])
  }
}
