/** Option `idle`: windows close by the wall clock when no record comes. */
import {
  customWindows,
  int64,
  nullable,
  StreamsBuilder,
  session,
  sliding,
  text,
  tumbling,
  untilTimeLimit,
  untilWindowCloses,
} from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'

const SERDES = { key: text, value: nullable(text) }

function grouped(builder: StreamsBuilder) {
  return builder.stream('in', SERDES).groupByKey()
}

/** Ways to the final counts of windows of ten seconds. */
const PROGRAMS: Readonly<Record<string, (builder: StreamsBuilder) => void>> = {
  "tumbling, emit 'close'"(builder) {
    const windows = grouped(builder).windowedBy(tumbling('10s', { grace: '2s' }))
    windows.count({ emit: 'close', idle: '30s' }).toStream().to('out')
  },
  'tumbling, suppressed'(builder) {
    const windows = grouped(builder).windowedBy(tumbling('10s', { grace: '2s' }))
    windows
      .count({ emit: 'updates' })
      .suppress(untilWindowCloses({ idle: '30s' }))
      .toStream()
      .to('out')
  },
  "sliding, emit 'close'"(builder) {
    const windows = grouped(builder).windowedBy(sliding('10s', { grace: '2s' }))
    windows.count({ emit: 'close', idle: '30s' }).toStream().to('out')
  },
  "session, emit 'close'"(builder) {
    const windows = grouped(builder).windowedBy(session('10s', { grace: '2s' }))
    windows.count({ emit: 'close', idle: '30s' }).toStream().to('out')
  },
  "custom windows, emit 'close'"(builder) {
    const tens = (time: number) => [
      { start: time - (time % 10_000), end: time - (time % 10_000) + 10_000 },
    ]
    const windows = grouped(builder).windowedBy(customWindows(tens, { size: '10s', grace: '2s' }))
    windows.count({ emit: 'close', idle: '30s' }).toStream().to('out')
  },
  "cogrouped, emit 'close'"(builder) {
    const windows = grouped(builder)
      .cogroup((_key, _value, seen: number) => seen + 1)
      .cogroup(builder.stream('other', SERDES).groupByKey(), (_key, _value, seen) => seen + 1)
      .windowedBy(tumbling('10s', { grace: '2s' }))
    const options = { emit: 'close', idle: '30s', value: int64 } as const
    windows
      .aggregate(() => 0, options)
      .toStream()
      .to('out')
  },
  "cogrouped sessions, emit 'close'"(builder) {
    const windows = grouped(builder)
      .cogroup((_key, _value, seen: number) => seen + 1)
      .windowedBy(session('10s', { grace: '2s' }))
    const options = { emit: 'close', idle: '30s', value: int64 } as const
    const merge = (_key: string, one: number, other: number) => one + other
    windows
      .aggregate(() => 0, { ...options, merge })
      .toStream()
      .to('out')
  },
}

async function open(program: (builder: StreamsBuilder) => void) {
  const builder = new StreamsBuilder()
  program(builder)
  const driver = await TopologyTestDriver.open(builder.build())
  const input = driver.input('in', SERDES)
  const sink = builder.build().nodes.find((node) => node.kind === 'sink')
  if (sink?.kind !== 'sink') throw new TypeError('the program has no sink')
  const output = driver.output('out', { key: sink.keySerde, value: sink.valueSerde })
  return {
    driver,
    pipe: (key: string, timestamp: number) => input.pipe({ key, value: 'x', timestamp }),
    async read() {
      const rows = await output.readAll()
      return rows.map(({ key, value, timestamp }) => {
        const { key: inner, start, end } = key as { key: string; start: number; end: number }
        return `${inner}[${start},${end}):${value}@${timestamp}`
      })
    },
  }
}

describe.each(Object.entries(PROGRAMS))('%s, with idle', (_name, program) => {
  test('a window closes after the silence, once, also over a restart', async () => {
    const { driver, pipe, read } = await open(program)
    await pipe('a', 10_000)
    await driver.advanceWallClock(29_000)
    expect(await read()).toEqual([])
    await driver.advanceWallClock(4_000)
    const closed = await read()
    expect(closed).toHaveLength(1)
    expect(closed[0]).toMatch(/^a\[\d+,\d+\):1@10000$/)
    await driver.restart()
    await driver.advanceWallClock(100_000)
    await pipe('b', 100_000)
    expect(await read()).toEqual([])
    await driver.close()
  })

  test('time goes on as the clock does: what is not over by then stays open', async () => {
    const { driver, pipe, read } = await open(program)
    await pipe('a', 10_000)
    for (let second = 0; second < 60; second += 20) {
      await driver.advanceWallClock(20_000)
      await pipe('b', 10_001)
    }
    expect(await read()).toEqual([])
    await driver.close()
  })
})

test('a record for a window that closed by silence is late', async () => {
  const { driver, pipe, read } = await open(PROGRAMS["tumbling, emit 'close'"]!)
  await pipe('a', 10_000)
  await driver.advanceWallClock(33_000)
  expect(await read()).toEqual(['a[10000,20000):1@10000'])
  await pipe('a', 11_000)
  expect(driver.metrics().dropped.map(({ reason, count }) => `${reason} ${count}`)).toEqual([
    'late 1',
  ])
  await pipe('a', 50_000)
  await pipe('a', 99_000)
  expect(await read()).toEqual(['a[50000,60000):1@50000'])
  await driver.close()
})

test('a time limit passes in silence', async () => {
  const builder = new StreamsBuilder()
  builder
    .table('in', SERDES)
    .suppress(untilTimeLimit('10s', { idle: '30s' }))
    .toStream()
    .to('out')
  const driver = await TopologyTestDriver.open(builder.build())
  const output = driver.output('out', SERDES)
  await driver.input('in', SERDES).pipe({ key: 'a', value: 'x', timestamp: 1 })
  expect(await output.readAll()).toEqual([])
  await driver.advanceWallClock(31_000)
  expect((await output.readAll()).map(({ key, value }) => [key, value])).toEqual([['a', 'x']])
  await driver.close()
})

test('idle without anything that waits for a close is an error at the call', () => {
  const windows = () => grouped(new StreamsBuilder()).windowedBy(tumbling('10s'))
  expect(() => windows().count({ idle: '30s' })).toThrow(
    "option idle of count(...) on 'in' is '30s', but emit is not 'close', so nothing waits for windows to close; add emit: 'close', or leave idle out",
  )
  expect(() => windows().count({ emit: 'close', idle: 0 })).toThrow(
    "option idle of count(...) on 'in' is 0; pass a duration above zero",
  )
})

test.each(['leftJoin', 'outerJoin'] as const)(
  '%s: a record without a match leaves',
  async (verb) => {
    const builder = new StreamsBuilder()
    const [left, right] = ['left', 'right'].map((topic) => builder.stream(topic, SERDES))
    const joiner = (one: string | null, other: string | null) => `${one}+${other}`
    const options = { within: '10s', grace: '2s', idle: '30s' } as const
    const joined =
      verb === 'leftJoin'
        ? left!.leftJoin(right!, joiner, options)
        : left!.outerJoin(right!, joiner, options)
    joined.to('out')
    const driver = await TopologyTestDriver.open(builder.build())
    const output = driver.output('out', SERDES)
    const read = async () => (await output.readAll()).map(({ key, value }) => `${key}:${value}`)
    await driver.input('left', SERDES).pipe({ key: 'a', value: 'x', timestamp: 10_000 })
    await driver.advanceWallClock(20_000)
    await driver.input('right', SERDES).pipe({ key: 'b', value: 'y', timestamp: 10_000 })
    await driver.advanceWallClock(20_000)
    expect(await read()).toEqual([])
    await driver.advanceWallClock(11_000)
    expect((await read()).sort()).toEqual(
      verb === 'leftJoin' ? ['a:x+null'] : ['a:x+null', 'b:null+y'],
    )
    await driver.restart()
    await driver.advanceWallClock(100_000)
    expect(await read()).toEqual([])
    await driver.close()
  },
)

test('an inner join has nobody who waits', () => {
  const builder = new StreamsBuilder()
  const stream = builder.stream('in', SERDES)
  const other = builder.stream('other', SERDES)
  expect(() => stream.join(other, (one) => one, { within: 1, idle: 1 })).toThrow(
    "option idle of join(...) on 'in' is for records that leave without a match; use leftJoin or outerJoin, or leave it out",
  )
})

test.each(['join', 'leftJoin'] as const)(
  '%s with a table: records that wait for it are joined in a silence, once',
  async (verb) => {
    const builder = new StreamsBuilder()
    const table = builder.table('table', { ...SERDES, store: { name: 'rows', history: '1h' } })
    const joiner = (value: string, row: string | null) => `${value}=${row}`
    const stream = builder.stream('in', SERDES)
    const options = { grace: '10s', idle: '30s' } as const
    const joined =
      verb === 'join'
        ? stream.join(table, joiner, options)
        : stream.leftJoin(table, joiner, options)
    joined.to('out', { key: text, value: text })
    const driver = await TopologyTestDriver.open(builder.build())
    const output = driver.output('out', SERDES)
    const values = async () => (await output.readAll()).map(({ value }) => value)
    await driver.input('in', SERDES).pipe({ key: 'a', value: 'x', timestamp: 5_000 })
    await driver.advanceWallClock(29_000)
    await driver.input('table', SERDES).pipe({ key: 'a', value: 'late', timestamp: 4_000 })
    expect(await values()).toEqual([])
    await driver.restart()
    await driver.advanceWallClock(40_000)
    expect(await values()).toEqual(['x=late'])
    await driver.restart()
    await driver.advanceWallClock(100_000)
    expect(await values()).toEqual([])
    await driver.close()
  },
)

test('idle of a join with a table is for records that wait', () => {
  const builder = new StreamsBuilder()
  const table = builder.table('table', SERDES)
  const stream = builder.stream('in', SERDES)
  expect(() => stream.join(table, (value) => value, { idle: '30s' })).toThrow(
    "option idle of join(...) on 'in' is '30s', but without grace no record waits; add grace, or leave idle out",
  )
})
