/** What programs answer, run by the test driver: the operators are wired as the verbs say. */
import { describe, expect, test } from 'vitest'
import {
  hopping,
  int32,
  int64,
  nullable,
  type Serde,
  StreamsBuilder,
  text,
  tumbling,
  windowed,
} from '../../src/index.ts'
import { keyPartition } from '../../src/record/murmur2.ts'
import { TopologyTestDriver, type TopologyTestDriverOptions } from '../../src/testing/index.ts'

const texts = { key: text, value: text }

interface Input {
  topic?: string
  key?: string
  value?: string | null
  timestamp?: number
}

/** Runs a program over records, one after the other, and gives each output as `key:value@time`. */
async function run<K, V>(
  write: (builder: StreamsBuilder) => void,
  inputs: Input[],
  outputs: { key: Serde<K>; value: Serde<V> },
  options: TopologyTestDriverOptions = {},
): Promise<string[]> {
  const builder = new StreamsBuilder()
  write(builder)
  const driver = await TopologyTestDriver.open(builder.build(), options)
  try {
    for (const { topic = 'in', ...record } of inputs) {
      await driver.input(topic, texts).pipe(record)
    }
    const records = await driver.output('out', outputs).readAll()
    return records.map(
      ({ key, value, timestamp }) =>
        `${typeof key === 'object' ? JSON.stringify(key) : key}:${value}@${timestamp}`,
    )
  } finally {
    await driver.close()
  }
}

describe('verbs without state', () => {
  test('filter, change, order and bring together', async () => {
    const seen: string[] = []
    const answer = await run(
      (builder) => {
        const lines = builder.stream('in', texts)
        const upper = lines
          .filterNot((_key, line) => line === 'drop')
          .peek((key, line) => seen.push(`${key}:${line}`))
          .mapValues((line, key) => `${line.toUpperCase()}/${key}`)
        const letters = lines
          .filter((_key, line) => line.length === 2)
          .flatMap((key, line) => [...line].map((letter) => [letter, key] as const))
        upper.merge(letters).to('out')
        upper.merge(upper).foreach((key) => seen.push(`once ${key}`))
      },
      [
        { key: 'a', value: 'xy', timestamp: 1 },
        { key: 'b', value: 'drop', timestamp: 2 },
      ],
      texts,
    )
    expect(answer).toEqual(['a:XY/a@1', 'x:a@1', 'y:a@1'])
    // A stream merged with itself is that stream, as in Kafka Streams.
    expect(seen).toEqual(['a:xy', 'once a'])
  })

  test('split sends a record to its first branch only, else to the default', async () => {
    const answer = await run(
      (builder) => {
        const { short, many, rest } = builder.stream('in', texts).split(
          {
            short: (_key, line) => line.length < 3,
            many: (_key, line) => line.includes('s'),
          },
          { default: 'rest' },
        )
        rest.mapValues((line) => `rest ${line}`).to('out')
        many.mapValues((line) => `many ${line}`).to('out')
        short.mapValues((line) => `short ${line}`).to('out')
      },
      [{ value: 'is' }, { value: 'words' }, { value: 'word' }],
      { key: nullable(text), value: text },
    )
    expect(answer).toEqual(['null:short is@0', 'null:many words@0', 'null:rest word@0'])
  })

  test('to chooses its topic and its partition', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', texts)
      .to(({ value }) => value, { partitioner: ({ key }, partitions) => Number(key) % partitions })
    builder.stream('out', texts).foreach(() => {})
    const driver = await TopologyTestDriver.open(builder.build(), { partitions: 3 })
    await driver.input('in', texts).pipe({ key: '5', value: 'out' })
    expect(await driver.output('out', texts).readAll()).toMatchObject([{ partition: 2 }])
    await driver.close()
  })

  test('a value that the serde of its stream cannot write says what to pass', async () => {
    const untyped = (builder: StreamsBuilder): void => {
      const numbers = builder.stream('in', texts).mapValues((line) => line.length)
      numbers.mapValues((length) => length as unknown as string).to('out')
    }
    await expect(run(untyped, [{ key: 'a', value: 'xy' }], texts)).rejects.toThrow(
      `to('out') on 'in-mapValues-mapValues' has to write a value that is 2, and knows no serde for it; pass one: { value: json() }`,
    )
  })
})

describe('grouping', () => {
  test('counts by a new key through a repartition topic, over several partitions', async () => {
    const answer = await run(
      (builder) => {
        builder
          .stream('in', texts)
          .flatMapValues((line) => line.split(' '))
          .groupBy((_key, word) => (word === 'drop' ? null : word))
          .count({ emit: 'updates' })
          .toStream()
          .to('out')
      },
      [
        { key: '1', value: 'a b a' },
        { key: '2', value: 'drop a' },
      ],
      { key: text, value: int64 },
      { partitions: 4 },
    )
    expect(answer.sort()).toEqual(['a:1@0', 'a:2@0', 'a:3@0', 'b:1@0'])
  })

  test('aggregates in windows, deletes on null, and keeps windows of a key in its partition', async () => {
    const key = windowed(text, 10)
    const builder = new StreamsBuilder()
    builder
      .stream('in', { key: text, value: nullable(text) })
      .groupByKey()
      .windowedBy(hopping(10, { advance: 5, grace: 100 }))
      .aggregate<string | null>(
        () => '',
        (_key, value, all) => (value === null ? null : all + value),
        { value: nullable(text), emit: 'updates' },
      )
      .toStream()
      .to('out')
    builder.stream('out').foreach(() => {})
    const driver = await TopologyTestDriver.open(builder.build(), { partitions: 3 })
    const input = driver.input('in', texts)
    await input.pipe({ key: 'k', value: 'a', timestamp: 7 })
    await input.pipe({ key: 'k', value: 'b', timestamp: 12 })
    await input.pipe({ key: 'k', value: null, timestamp: 3 })
    const records = await driver.output('out', { key, value: nullable(text) }).readAll()
    expect(
      records.map(({ key, value }) => `${key?.key}[${key?.start},${key?.end}):${value}`),
    ).toEqual(['k[0,10):a', 'k[5,15):a', 'k[5,15):ab', 'k[10,20):b', 'k[0,10):null'])
    const home = keyPartition(Buffer.from('k'), 0, 1, 3)
    expect(records.every(({ partition }) => partition === home)).toBe(true)
    await driver.close()
  })

  test('reduces by the time of the latest record', async () => {
    const answer = await run(
      (builder) => {
        builder
          .stream('in', texts)
          .groupByKey()
          .reduce((all, line) => all + line, { emit: 'updates', store: 'joined' })
          .toStream()
          .to('out')
      },
      [
        { key: 'k', value: 'a', timestamp: 9 },
        { key: 'k', value: 'b', timestamp: 4 },
        { value: 'no key', timestamp: 20 },
      ],
      texts,
    )
    expect(answer).toEqual(['k:a@9', 'k:ab@9'])
  })

  test('hands on the last value of a commit unless told otherwise', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', texts).groupByKey().count().toStream().to('out')
    const driver = await TopologyTestDriver.open(builder.build())
    await driver.input('in', texts).pipeAll([
      { key: 'k', value: 'a' },
      { key: 'k', value: 'b' },
    ])
    const counts = await driver.output('out', { key: text, value: int64 }).readAll()
    expect(counts.map(({ value }) => value)).toEqual([2])
    await driver.close()
  })
})

describe('joins', () => {
  test('of streams take the other side from before to after, whichever comes first', async () => {
    const answer = await run(
      (builder) => {
        const right = builder.stream('right', texts)
        builder
          .stream('in', texts)
          .join(right, (left, other, key) => `${left}${other}${key}`, {
            before: 2,
            after: 5,
            grace: 90,
          })
          .to('out')
      },
      [
        { key: 'k', value: 'L', timestamp: 10 },
        { topic: 'right', key: 'k', value: '7', timestamp: 7 },
        { topic: 'right', key: 'k', value: '8', timestamp: 8 },
        { topic: 'right', key: 'k', value: '15', timestamp: 15 },
        { topic: 'right', key: 'k', value: '16', timestamp: 16 },
        { topic: 'right', key: 'other', value: '11', timestamp: 11 },
        { key: 'k', value: 'M', timestamp: 17 },
      ],
      texts,
    )
    expect(answer).toEqual(['k:L8k@10', 'k:L15k@15', 'k:M15k@17', 'k:M16k@17'])
  })

  test('of a stream with itself pair each record with itself and both ways with others', async () => {
    const answer = await run(
      (builder) => {
        const lines = builder.stream('in', texts)
        lines.join(lines, (left, right) => left + right, { within: 5 }).to('out')
      },
      [
        { key: 'k', value: 'a', timestamp: 1 },
        { key: 'k', value: 'b', timestamp: 2 },
      ],
      texts,
    )
    expect(answer.sort()).toEqual(['k:aa@1', 'k:ab@2', 'k:ba@2', 'k:bb@2'])
  })

  test('with a table see the row of the moment; a left join also none', async () => {
    const program =
      (left: boolean) =>
      (builder: StreamsBuilder): void => {
        const users = builder.table('users', texts)
        const clicks = builder.stream('in', texts).selectKey((_key, user) => user)
        const joined = left
          ? clicks.leftJoin(users, (click, user) => `${click}=${user}`)
          : clicks.join(users, (click, user) => `${click}=${user}`)
        joined.to('out')
      }
    const inputs: Input[] = [
      { key: '1', value: 'u', timestamp: 1 },
      { topic: 'users', key: 'u', value: 'Una', timestamp: 2 },
      { key: '2', value: 'u', timestamp: 3 },
      { topic: 'users', key: 'u', value: null, timestamp: 4 },
      { key: '3', value: 'u', timestamp: 5 },
    ]
    expect(await run(program(false), inputs, texts, { partitions: 2 })).toEqual(['u:u=Una@3'])
    expect(await run(program(true), inputs, texts, { partitions: 2 })).toEqual([
      'u:u=null@1',
      'u:u=Una@3',
      'u:u=null@5',
    ])
  })

  test('with a table made of a stream find its last values', async () => {
    const answer = await run(
      (builder) => {
        const lines = builder.stream('in', texts)
        const lengths = builder
          .stream('right', texts)
          .mapValues((line) => line.length)
          .toTable({ value: int32 })
        lines.join(lengths, (line, length) => `${line}${length}`).to('out')
      },
      [
        { topic: 'right', key: 'k', value: 'abc' },
        { key: 'k', value: 'x' },
      ],
      texts,
    )
    expect(answer).toEqual(['k:x3@0'])
  })
})

test('a table hands on its changes, deletions as null', async () => {
  const answer = await run(
    (builder) => builder.table('in', texts).toStream().to('out'),
    [{ key: 'k', value: 'a' }, { key: 'k', value: null }, { value: 'no key' }],
    texts,
  )
  expect(answer).toEqual(['k:a@0', 'k:null@0'])
})

test('windows of one size follow each other', async () => {
  const answer = await run(
    (builder) => {
      builder.stream('in', texts).groupByKey().windowedBy(tumbling(10)).count().toStream().to('out')
    },
    [
      { key: 'k', value: 'a', timestamp: 9 },
      { key: 'k', value: 'b', timestamp: 10 },
      { key: 'k', value: 'late', timestamp: 8 },
    ],
    { key: windowed(text, 10), value: int64 },
  )
  expect(answer).toEqual([
    '{"key":"k","start":0,"end":10}:1@9',
    '{"key":"k","start":10,"end":20}:1@10',
  ])
})
