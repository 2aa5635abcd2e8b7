/**
 * Node's fast, untyped string methods of Buffer: half the cost of `toString` and `write` on the
 * short texts that keys are, because they skip the encoding switch.
 */
declare global {
  interface Buffer {
    utf8Write(text: string, offset: number): number
    latin1Write(text: string, offset: number): number
    utf8Slice(start: number, end: number): string
    latin1Slice(start: number, end: number): string
  }
}

export type {}
