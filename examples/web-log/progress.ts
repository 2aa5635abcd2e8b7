/**
 * One line on the terminal that says how far the work is, drawn over and over; nothing at all when
 * the output goes to a file or another program. Notices stay, in either case.
 */
const REDRAW_MS = 100
/** Of a terminal that does not say how wide it is. */
const COLUMNS = 80

export interface Progress {
  /** `text` is asked for only when it is shown. */
  show(text: () => string): void
  notice(text: string): void
  clear(): void
}

export function progressOn(stream: NodeJS.WriteStream): Progress {
  let shownAt = Number.NEGATIVE_INFINITY
  let drawn = false

  function clear(): void {
    if (drawn) stream.write('\r\x1b[2K')
    drawn = false
  }

  return {
    show(text) {
      const now = performance.now()
      if (!stream.isTTY || now - shownAt < REDRAW_MS) return
      shownAt = now
      drawn = true
      stream.write(`\r\x1b[2K${text().slice(0, (stream.columns || COLUMNS) - 1)}`)
    },
    notice(text) {
      clear()
      stream.write(`${text}\n`)
    },
    clear,
  }
}
