/** Programs whose descriptions are kept as text in `topologies/`, one file each. */
import {
  hopping,
  int32,
  int64,
  json,
  nullable,
  StreamsBuilder,
  type Topology,
  text,
  tumbling,
} from '../../src/index.ts'

interface Hit {
  path: string
  bytes: number
}

function build(write: (builder: StreamsBuilder) => void): () => Topology {
  return () => {
    const builder = new StreamsBuilder()
    write(builder)
    return builder.build()
  }
}

export const programs: Readonly<Record<string, () => Topology>> = {
  'web-log': build((builder) => {
    builder
      .stream('access-log', { value: text })
      .flatMapValues((line): Hit[] => [{ path: line, bytes: 1 }])
      .groupBy((_key, hit) => hit.path, { value: json<Hit>() })
      .windowedBy(tumbling('1m', { grace: '10s' }))
      .aggregate(
        () => ({ hits: 0, bytes: 0 }),
        (_path, hit, sum) => ({ hits: sum.hits + 1, bytes: sum.bytes + hit.bytes }),
        { store: 'hits-per-page', value: json() },
      )
      .toStream()
      .to('page-stats')
  }),

  'word-count': build((builder) => {
    builder
      .stream('sentences', { key: text, value: text })
      .flatMapValues((sentence) => sentence.split(' '))
      .groupBy((_key, word) => word)
      .count()
      .toStream()
      .to('word-counts')
  }),

  'windowed-join': build((builder) => {
    const clicks = builder.stream('clicks', { value: json<{ ad: string; at: number }>() })
    builder
      .stream('impressions', { key: text, value: json<{ page: string }>() })
      .join(
        clicks.selectKey((_key, click) => click.ad),
        ({ page }, { at }) => ({ page, at }),
        { before: 0, after: '10m', grace: '1m', name: 'clicked' },
      )
      .to('clicked-ads', { value: json() })
  }),

  'table-join': build((builder) => {
    const users = builder.table('users', { key: text, value: text })
    const clicks = builder.stream('clicks', { key: int32, value: text })
    clicks
      .selectKey((_key, user) => user)
      .join(users, (click, user) => click + user)
      .to('joined')
    clicks
      .map((_key, user) => [user, user.length])
      .leftJoin(users, (length, user) => `${length}${user}`, { key: text, value: int32 })
      .to('left-joined')
  }),

  'every-operator': build((builder) => {
    const lines = builder.stream(['lines', 'more-lines'], { key: text, value: nullable(text) })
    const present = lines
      .filter((_key, line) => line !== null)
      .peek(() => {})
      .filterNot((key) => key === '')
    const { short, rest } = present.split(
      { short: (_key, line) => line.length < 9 },
      { default: 'rest' },
    )
    const lengths = short.mapValues((line) => line.length)
    lengths.foreach(() => {})
    const repartitioned = rest.repartition({ name: 'spread', partitions: 8 })
    const table = repartitioned.toTable({ store: 'last-line' })
    table.toStream().to((record) => `lines-${record.value.length}`)
    short
      .merge(repartitioned)
      .flatMap((key, line) => [...line].map((letter) => [letter, key] as const))
      .groupByKey({ value: text })
      .windowedBy(hopping('5m', { advance: '1m', grace: '1m' }))
      .reduce((first) => first)
      .toStream()
      .to('first-keys')
    lengths.groupByKey({ value: int64 }).reduce((sum, length) => sum + length)
  }),
}
