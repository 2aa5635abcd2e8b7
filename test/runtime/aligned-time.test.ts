import { json, StreamsBuilder, text, tumbling } from 'millrace'
import { type TestRecord, TopologyTestDriver } from 'millrace/testing'
import { expect, test } from 'vitest'

interface Line {
  readonly page: string
}

/** Hits per page and 10 s, sent when the window closes; a repartition topic lies between. */
function pages() {
  const builder = new StreamsBuilder()
  const lines = builder.stream('lines', { value: json<Line>() })
  lines
    .groupBy((_key, { page }) => page)
    .windowedBy(tumbling('10s', { grace: '1s' }))
    .count({ store: 'hits', emit: 'close' })
    .toStream()
    .map(({ key, start }, hits) => [`${key}@${start}`, `${hits}`])
    .to('pages')
  return builder.build()
}

async function openDriver(time: 'aligned' | 'kafka') {
  const driver = await TopologyTestDriver.open(pages(), { partitions: 2, time })
  return {
    driver,
    lines: driver.input('lines', { key: text, value: json<Line>() }),
    rows: driver.output('pages', { key: text, value: text }),
  }
}

/** Rows as text, by key: they come from two partitions. */
function shown(records: readonly TestRecord<string, string>[]): string[] {
  return records.map(({ key, value }) => `${key} ${value}`).sort()
}

/** A minute of lines, one a second, in each of two partitions; the second partition is read later. */
function backlog(partition: number) {
  return Array.from({ length: 60 }, (_, second) => ({
    value: { page: '/' },
    timestamp: second * 1000,
    partition,
  }))
}

test('a backlog read partition by partition drops nothing in aligned time', async () => {
  const { driver, lines, rows } = await openDriver('aligned')
  await lines.pipeAll(backlog(0))
  await lines.pipeAll(backlog(1))

  expect(driver.metrics().dropped).toEqual([])
  expect(shown(await rows.readAll())).toEqual([
    '/@0 20',
    '/@10000 20',
    '/@20000 20',
    '/@30000 20',
    '/@40000 20',
  ])
  await driver.close()
})

test('the same backlog is late where the largest time counts', async () => {
  const { driver, lines } = await openDriver('kafka')
  await lines.pipeAll(backlog(0))
  await lines.pipeAll(backlog(1))
  expect(driver.metrics().dropped.map(({ reason }) => reason)).toEqual(['late'])
  await driver.close()
})

test('a partition that falls silent holds windows open until the idle time has passed', async () => {
  const { driver, lines, rows } = await openDriver('aligned')
  await lines.pipe({ value: { page: '/' }, timestamp: 0, partition: 1 })
  await lines.pipeAll(backlog(0))
  expect(await rows.readAll()).toEqual([])

  await driver.advanceWallClock(5000)
  await lines.pipe({ value: { page: '/' }, timestamp: 60_000, partition: 0 })
  expect(shown(await rows.readAll())).toEqual([
    '/@0 11',
    '/@10000 10',
    '/@20000 10',
    '/@30000 10',
    '/@40000 10',
  ])
  await driver.close()
})

test('what has passed is known again after a restart: no window is sent twice, none forgotten', async () => {
  const { driver, lines, rows } = await openDriver('aligned')
  const sent: string[] = []
  const [first, second] = [backlog(0), backlog(1)]
  for (let index = 0; index < 60; index += 7) {
    await lines.pipeAll(first.slice(index, index + 7))
    await driver.restart()
    await lines.pipeAll(second.slice(index, index + 7))
    await driver.restart()
    sent.push(...shown(await rows.readAll()))
  }
  expect(driver.metrics().dropped).toEqual([])
  expect(sent).toEqual(['/@0 20', '/@10000 20', '/@20000 20', '/@30000 20', '/@40000 20'])
  await driver.close()
})
