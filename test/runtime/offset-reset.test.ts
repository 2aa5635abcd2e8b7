/** Where a source begins of which nothing is committed. */
import { StreamsBuilder, type StreamsError, text } from 'millrace'
import { expect, test } from 'vitest'
import { application, openLog, program, readAll, runToEnd } from './applications.ts'

type Reset = 'earliest' | 'latest' | 'none' | { readonly ago: string | number }

const MINUTE = 60_000

function copying(offsetReset: Reset) {
  return program((builder) =>
    builder.stream('in', { key: text, value: text, offsetReset: offsetReset as 'none' }).to('out'),
  )
}

/** A topic with a record of two hours ago and one of half an hour ago, in each of two partitions. */
async function opened() {
  const log = await openLog({ in: 2 })
  await using producer = log.producer({ key: text, value: text })
  const now = Date.now()
  for (const partition of [0, 1]) {
    await producer.sendMany(
      [120, 30].map((minutes) => ({
        topic: 'in',
        partition,
        key: 'k',
        value: `${minutes} minutes ago in ${partition}`,
        timestamp: now - minutes * MINUTE,
      })),
    )
  }
  return log
}

async function copied(offsetReset: Reset): Promise<(string | null)[]> {
  const log = await opened()
  await runToEnd(copying(offsetReset), { log })
  return (await readAll(log, 'out')).map(({ value }) => value).sort()
}

test.each<[Reset, string[]]>([
  [
    'earliest',
    ['120 minutes ago in 0', '120 minutes ago in 1', '30 minutes ago in 0', '30 minutes ago in 1'],
  ],
  ['latest', []],
  [{ ago: '1h' }, ['30 minutes ago in 0', '30 minutes ago in 1']],
  [{ ago: 45 * MINUTE }, ['30 minutes ago in 0', '30 minutes ago in 1']],
  [{ ago: '1m' }, []],
  [
    { ago: '10000d' },
    ['120 minutes ago in 0', '120 minutes ago in 1', '30 minutes ago in 0', '30 minutes ago in 1'],
  ],
])('%j', async (offsetReset, expected) => {
  expect(await copied(offsetReset)).toEqual(expected)
})

test("'none' needs a committed offset, and goes on from it", async () => {
  const log = await opened()
  const app = application(copying('none'), { log })
  const error: StreamsError = await app.start().then(
    () => expect.unreachable(),
    (reason) => reason,
  )
  expect(error.code).toBe('log-offset-out-of-range')
  expect(error.message).toMatch(/No offset is committed.*'in' has offsetReset 'none'/)
  expect(error.place).toMatchObject({ topic: 'in', partition: 0 })

  await runToEnd(copying('earliest'), { log })
  await using producer = log.producer({ key: text, value: text })
  await producer.send({ topic: 'in', key: 'k', value: 'now' })
  await runToEnd(copying('none'), { log })
  expect((await readAll(log, 'out')).map(({ value }) => value)).toContain('now')
})

test('two sources of a topic begin at one place, or are an error', () => {
  const builder = new StreamsBuilder()
  const read = (ago: string) =>
    builder.stream('in', { key: text, value: text, offsetReset: { ago: ago as '1h' } })
  read('1h')
  read('60m')
  expect(() => read('2h')).toThrow("which source 'in' reads with other offset reset")
})
