/**
 * Short texts that were decoded before, found again by their bytes.
 *
 * Journey: bytes of a batch -> text serde, JSON serde -> [known texts] -> keys, names, codes.
 *
 * Finding a text costs a third of decoding it, and its hash is computed already, which is what a
 * look-up in a store's table spends most of its time on.
 *
 * Invariant: a text that is returned has exactly the bytes asked for; what is known only saves time.
 */
import './node-buffer.ts'

/** Texts up to this length are looked up before they are decoded: keys, rather than documents. */
export const KNOWN_TEXT_MAX = 24
/** About a megabyte of texts; a power of two. */
const KNOWN_TEXTS = 1 << 14
const knownTexts: string[] = new Array<string>(KNOWN_TEXTS).fill('')

/** A text of at most `KNOWN_TEXT_MAX` bytes. */
export function readShortText(bytes: Buffer, start: number, end: number): string {
  let hash = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    if (byte > 127) return bytes.utf8Slice(start, end)
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  return knownText(bytes, start, end, hash)
}

/** The same for ASCII bytes whose hash, `hash * 31 + byte` from 0 in 32 bits, is known. */
export function knownText(bytes: Buffer, start: number, end: number, hash: number): string {
  const slot = (hash ^ (hash >>> 15)) & (KNOWN_TEXTS - 1)
  const known = knownTexts[slot] as string
  if (known.length === end - start) {
    let at = 0
    while (at < known.length && known.charCodeAt(at) === bytes[start + at]) at++
    if (at === known.length) return known
  }
  const decoded = bytes.latin1Slice(start, end)
  knownTexts[slot] = decoded
  return decoded
}
