import { describe, expect, it } from 'vitest'
import { parseLine, parseTime } from '../../../examples/web-log/parse.ts'

const line = (parts: {
  time?: string
  request?: string
  status?: string
  bytes?: string
  rest?: string
}) =>
  `10.0.0.1 - frank [${parts.time ?? '17/May/2015:10:05:03 +0000'}] "${parts.request ?? 'GET /a HTTP/1.1'}" ` +
  `${parts.status ?? '200'} ${parts.bytes ?? '512'}${parts.rest ?? ' "-" "agent"'}`

const reason = (text: string): string | null => {
  const parsed = parseLine(text)
  return parsed.kind === 'rejected' ? parsed.reason : null
}

describe('a line of an access log', () => {
  it('is a hit with target, time and bytes', () => {
    expect(parseLine(line({}))).toEqual({
      kind: 'hit',
      target: '/a',
      timestamp: Date.UTC(2015, 4, 17, 10, 5, 3),
      bytes: 512,
    })
  })

  it('counts a dash for bytes as 0', () => {
    expect(parseLine(line({ bytes: '-' }))).toMatchObject({ kind: 'hit', bytes: 0 })
  })

  it('may end after the byte count, or be cut off in its user agent', () => {
    expect(reason(line({ rest: '' }))).toBeNull()
    expect(reason(line({ rest: ' "-" "Mozilla/5.0 (X' }))).toBeNull()
  })

  it('keeps the target as it is written, escapes and letters of any language included', () => {
    expect(parseLine(line({ request: 'GET /s?q=\\"a\\\\\\" HTTP/1.1' }))).toMatchObject({
      target: '/s?q=\\"a\\\\\\"',
    })
    expect(parseLine(line({ request: 'GET /à/日本 HTTP/1.1' }))).toMatchObject({
      target: '/à/日本',
    })
  })

  it('is rejected with its reason when it is something else', () => {
    expect(reason('')).toBe('not a log line')
    expect(reason('10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /ima')).toBe('not a log line')
    expect(reason(line({ status: 'OK' }))).toBe('not a log line')
    expect(reason(line({ bytes: '12kB' }))).toBe('not a log line')
    expect(reason(line({ request: '-' }))).toBe('request is not METHOD target PROTOCOL')
    expect(reason(line({ request: 'GET /a b HTTP/1.1' }))).toBe(
      'request is not METHOD target PROTOCOL',
    )
    expect(reason(line({ time: 'yesterday' }))).toBe('time is not valid')
    expect(reason(line({ bytes: '9007199254740993' }))).toBe('byte count is too large')
    expect(reason(`${line({})}\n`)).toBe('line too long')
  })
})

describe('the time of a line', () => {
  it('is read with its zone', () => {
    const noon = Date.UTC(2024, 1, 29, 12)
    expect(parseTime('29/Feb/2024:12:00:00 +0000')).toBe(noon)
    expect(parseTime('29/Feb/2024:14:00:00 +0200')).toBe(noon)
    expect(parseTime('29/Feb/2024:06:30:00 -0530')).toBe(noon)
  })

  it.each([
    '29/Feb/2023:12:00:00 +0000',
    '31/Apr/2024:12:00:00 +0000',
    '00/Jan/2024:12:00:00 +0000',
    '01/Foo/2024:12:00:00 +0000',
    '01/Jan/2024:24:00:00 +0000',
    '01/Jan/2024:12:60:00 +0000',
    '01/Jan/2024:12:00:60 +0000',
    '01/Jan/2024:12:00:00 +0060',
    '01/Jan/2024:12:00:00',
    '01/Jan/1969:12:00:00 +0000',
    '01/Jan/0099:12:00:00 +0000',
    '01/Jan/1970:00:30:00 +0100',
  ])('does not exist: %s', (text) => {
    expect(parseTime(text)).toBeNull()
  })
})
