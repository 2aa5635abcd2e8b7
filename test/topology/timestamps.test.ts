/** The timestamp functions to choose from, in a source. */
import {
  recordTime,
  recordTimeOrPartitionTime,
  recordTimeOrSkip,
  StreamsBuilder,
  type TimestampExtractor,
  text,
  wallClockTime,
} from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, onTestFinished, test } from 'vitest'

const serdes = { key: text, value: text }

async function timesOf(timestamp: TimestampExtractor<string, string>, times: readonly number[]) {
  const builder = new StreamsBuilder()
  builder.stream('in', { ...serdes, timestamp }).to('out', serdes)
  const driver = await TopologyTestDriver.open(builder.build(), { now: 77 })
  onTestFinished(() => driver.close())
  const input = driver.input('in', serdes)
  for (const timestamp of times) await input.pipe({ key: 'k', value: 'v', timestamp })
  const out = await driver.output('out', serdes).readAll()
  return { times: out.map(({ timestamp }) => timestamp), dropped: driver.metrics().dropped }
}

describe('the time of a record', () => {
  test('recordTime ends the application where there is none', async () => {
    expect((await timesOf(recordTime, [5, 3])).times).toEqual([5, 3])
    await expect(timesOf(recordTime, [5, -1])).rejects.toMatchObject({ code: 'timestamp-invalid' })
  })

  test('recordTimeOrSkip leaves out records without one', async () => {
    const { times, dropped } = await timesOf(recordTimeOrSkip, [5, -1, 3])
    expect(times).toEqual([5, 3])
    expect(dropped).toEqual([{ reason: 'invalid-timestamp', node: 'in', count: 1 }])
  })

  test('recordTimeOrPartitionTime takes the largest time before, and skips without one', async () => {
    const { times, dropped } = await timesOf(recordTimeOrPartitionTime, [-1, 5, 3, -1])
    expect(times).toEqual([5, 3, 5])
    expect(dropped).toMatchObject([{ count: 1 }])
  })

  test('wallClockTime takes the clock of the application', async () => {
    expect((await timesOf(wallClockTime, [5, 3])).times).toEqual([77, 77])
  })
})
