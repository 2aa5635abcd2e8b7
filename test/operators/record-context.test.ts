/** What functions of verbs are told of a record besides key and value. */
import { int64, type RecordContext, StreamsBuilder, text } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { expect, onTestFinished, test } from 'vitest'
import { semanticCase } from './semantic-case.ts'

const serdes = { key: text, value: text }

/** `topic-partition@offset time header,header`, or `nowhere` for what comes from no record. */
function show({ timestamp, headers, metadata }: RecordContext): string {
  const place =
    metadata === null ? 'nowhere' : `${metadata.topic}-${metadata.partition}@${metadata.offset}`
  return `${place}|${timestamp}|${headers.map(({ key }) => key).join(',')}`
}

semanticCase('every verb is told time, headers and place of its record', {
  program(builder) {
    const stream = builder.stream('in', serdes)
    stream.mapValues((_value, _key, context) => show(context)).to('values')
    stream.map((key, _value, context) => [key, show(context)]).to('pairs', serdes)
    stream.selectKey((_key, _value, context) => show(context)).to('keys', { key: text })
    stream.flatMapValues((_value, _key, context) => [show(context)]).to('flat-values')
    stream.flatMap((key, _value, context) => [[key, show(context)]]).to('flat-pairs', serdes)
  },
  lines: `
    in a:x@5 {h=1}  =>  values a:in-0@0|5|h@5 {h=1}, pairs a:in-0@0|5|h@5 {h=1}, keys in-0@0|5|h:x@5 {h=1}, flat-values a:in-0@0|5|h@5 {h=1}, flat-pairs a:in-0@0|5|h@5 {h=1}
    in b:y@3        =>  values b:in-0@1|3|@3, pairs b:in-0@1|3|@3, keys in-0@1|3|:y@3, flat-values b:in-0@1|3|@3, flat-pairs b:in-0@1|3|@3
  `,
  onePartition: true,
})

semanticCase('predicates, branches and keys of groups may depend on it', {
  program(builder) {
    const stream = builder.stream('in', serdes)
    const isMarked = (_key: string, _value: string, { headers }: RecordContext) =>
      headers.some(({ key }) => key === 'h')
    stream.filter(isMarked).to('marked')
    stream.filterNot(isMarked).to('plain')
    stream.split({ early: (_key, _value, { timestamp }) => timestamp < 10 }).early.to('early')
    stream
      .groupBy((_key, _value, { timestamp }) => (timestamp < 10 ? 'early' : 'late'))
      .count({ emit: 'updates' })
      .toStream()
      .to('counts')
  },
  lines: `
    in a:x@5 {h=1}  =>  marked a:x@5 {h=1}, early a:x@5 {h=1}, counts early:1@5 {h=1}
    in b:y@10       =>  plain b:y@10, counts late:1@10
    in c:z@9        =>  plain c:z@9, early c:z@9, counts early:2@9
  `,
  onePartition: true,
})

async function opened(write: (builder: StreamsBuilder) => void, topics: Record<string, number>) {
  const builder = new StreamsBuilder()
  write(builder)
  const driver = await TopologyTestDriver.open(builder.build(), { partitions: topics })
  onTestFinished(() => driver.close())
  return driver
}

test('topics and partitions are chosen by it', async () => {
  const driver = await opened(
    (builder) => {
      const stream = builder.stream('in', serdes)
      stream.to((_record, { metadata }) => `out-${metadata?.offset}`)
      stream.to('placed', { partitioner: (_record, _count, { metadata }) => metadata?.offset ?? 0 })
    },
    { in: 1, 'out-0': 1, 'out-1': 1, placed: 2 },
  )
  await driver.input('in', serdes).pipeAll([{ value: 'x' }, { value: 'y' }])
  const placed = await driver.output('placed', serdes).readAll()
  expect(placed.map(({ value, partition }) => `${value}${partition}`)).toEqual(['x0', 'y1'])
  expect((await driver.output('out-1', serdes).readAll()).map(({ value }) => value)).toEqual(['y'])
})

test('what a commit sends on was read nowhere', async () => {
  const driver = await opened(
    (builder) =>
      builder
        .stream('in', serdes)
        .groupByKey()
        .count({ emit: 'commit' })
        .toStream()
        .mapValues((_count, _key, context) => show(context))
        .to('out'),
    { in: 1 },
  )
  await driver.input('in', serdes).pipe({ key: 'a', value: 'x', timestamp: 7 })
  expect((await driver.output('out', serdes).read())?.value).toBe('nowhere|7|')
})

test('actions see each record as it is when they are called', async () => {
  const seen: string[] = []
  const driver = await opened(
    (builder) => {
      const stream = builder.stream('in', { key: text, value: int64 })
      stream
        .flatMapValues((value) => [value, value + 1])
        .peek((_key, value, context) => seen.push(`peek ${value} ${show(context)}`))
        .foreach((_key, value, context) => {
          seen.push(`foreach ${value} ${show(context)}`)
        })
    },
    { in: 1 },
  )
  await driver.input('in', { key: text, value: int64 }).pipeAll([
    { value: 1, timestamp: 3 },
    { value: 5, timestamp: 4 },
  ])
  expect(seen).toEqual([
    'peek 1 in-0@0|3|',
    'foreach 1 in-0@0|3|',
    'peek 2 in-0@0|3|',
    'foreach 2 in-0@0|3|',
    'peek 5 in-0@1|4|',
    'foreach 5 in-0@1|4|',
    'peek 6 in-0@1|4|',
    'foreach 6 in-0@1|4|',
  ])
})
