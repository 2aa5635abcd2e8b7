/** Asynchronous verbs in a program: misuse, names, and what is known below. */
import { type AsyncOptions, int32, StreamsBuilder, text } from 'millrace'
import { expect, test } from 'vitest'

function misuse(options: unknown): () => unknown {
  const lines = new StreamsBuilder().stream('lines', { key: text, value: text })
  return () => lines.mapValuesAsync(async (value) => value, options as AsyncOptions)
}

const call = `mapValuesAsync(...) on 'lines'`

test.each([
  [{ concurrency: 0 }, `option concurrency of ${call} is 0; pass a whole number from 1`],
  [{ concurrency: 1.5 }, `option concurrency of ${call} is 1.5; pass a whole number from 1`],
  [{ timeout: 0 }, `option timeout of ${call} is 0; pass a duration above zero`],
  [{ retry: {} }, `option retry.attempts of ${call} is undefined; pass a whole number from 1`],
  [
    { retry: { attempts: 2, backoff: -1 } },
    `option retry.backoff of ${call} is -1; write whole milliseconds as a number, or '500ms', '10s', '5m', '2h', '7d'`,
  ],
])('%j is refused', (options, message) => {
  expect(misuse(options)).toThrow(new RangeError(message))
})

test.each([
  [{ ordered: 'key' }, `option ordered of ${call} is 'key'; pass true or false`],
  [
    { retry: 3 },
    `option retry of ${call} is 3; pass an object such as { attempts: 3, backoff: '100ms' }`,
  ],
  [
    { retry: { attempts: 3, delay: 1 } },
    `option retry of ${call} has no option 'delay'; its options are attempts, backoff`,
  ],
  [
    { parallel: 3 },
    `${call} has no option 'parallel'; its options are concurrency, ordered, timeout, retry, name`,
  ],
])('%j is refused as no option', (options, message) => {
  expect(misuse(options)).toThrow(new TypeError(message))
})

test('what is no function is refused', () => {
  const lines = new StreamsBuilder().stream('lines', { key: text, value: text })
  const refused = (verb: string): string => `of ${verb}(...) on 'lines' is 'x'; pass a function`
  const given = 'x' as never
  expect(() => lines.mapValuesAsync(given)).toThrow(refused('mapValuesAsync'))
  expect(() => lines.flatMapAsync(given)).toThrow(refused('flatMapAsync'))
  expect(() => lines.foreachAsync(given)).toThrow(refused('foreachAsync'))
})

test('an async function where none is waited for is told where one is', () => {
  const lines = new StreamsBuilder().stream('lines', { key: text, value: text })
  expect(() => lines.mapValues(async (value) => value)).toThrow(/; or use mapValuesAsync$/)
  expect(() => lines.flatMap((async () => []) as never)).toThrow(/; or use flatMapAsync$/)
})

test('names come from lineage or from the option; new keys are repartitioned, kept ones are not', () => {
  const builder = new StreamsBuilder()
  const lines = builder.stream('lines', { key: text, value: text })
  const kept = lines.mapValuesAsync(async (value) => value.length)
  kept.groupByKey({ value: int32 }).count({ store: 'kept' })
  const changed = lines.flatMapAsync(async (key, value) => [[value, key]], { name: 'ask' })
  changed.groupByKey({ key: text, value: text }).count({ store: 'changed' })
  const topology = builder.build()
  expect(topology.nodes.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['lines-mapValuesAsync', 'ask']),
  )
  expect(topology.repartitionTopics.map(({ name }) => name)).toEqual(['ask-groupByKey-repartition'])
})
