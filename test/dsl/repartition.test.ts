import { describe, expect, test } from 'vitest'
import {
  int32,
  int64,
  json,
  type KStream,
  StreamsBuilder,
  type Topology,
  text,
  tumbling,
} from '../../src/index.ts'
import type { ProcessorContext } from '../../src/topology/processor.ts'
import { subTopologies } from '../../src/topology/sub-topologies.ts'
import type { ProcessorNode } from '../../src/topology/topology.ts'

type Lines = KStream<string, string, 'key' | 'value' | 'partitioned'>

function program(write: (lines: Lines, builder: StreamsBuilder) => void): Topology {
  const builder = new StreamsBuilder()
  write(builder.stream('lines', { key: text, value: text }), builder)
  return builder.build()
}

function topics(write: (lines: Lines, builder: StreamsBuilder) => void): string[] {
  return program(write).repartitionTopics.map(({ name }) => name)
}

describe('a stateful verb repartitions', () => {
  test('after what may change the key', () => {
    expect(topics((lines) => void lines.groupBy((key) => key).count())).toHaveLength(1)
    expect(
      topics(
        (lines) =>
          void lines
            .selectKey((key) => key)
            .groupByKey()
            .count(),
      ),
    ).toHaveLength(1)
    expect(
      topics(
        (lines) =>
          void lines
            .map((key, line) => [key, line])
            .groupByKey()
            .count(),
      ),
    ).toHaveLength(1)
    expect(
      topics(
        (lines) => void lines.flatMap((key, line) => [[key, line]]).toTable({ store: 'rows' }),
      ),
    ).toHaveLength(1)
  })

  test('not after what keeps it', () => {
    expect(
      topics((lines) => {
        lines
          .filter(() => true)
          .filterNot(() => false)
          .peek(() => {})
          .mapValues((line) => line)
          .flatMapValues((line) => [line])
          .groupByKey()
          .windowedBy(tumbling('1m'))
          .count()
        lines.toTable({ store: 'rows' }).toStream().groupByKey().count()
      }),
    ).toEqual([])
  })

  test('after a merge with a re-keyed stream', () => {
    expect(
      topics(
        (lines) =>
          void lines
            .merge(lines.selectKey((_key, line) => line))
            .groupByKey()
            .count(),
      ),
    ).toHaveLength(1)
  })

  test('after a merge of keys that are written in two ways', () => {
    const merged = (builder: StreamsBuilder) =>
      builder
        .stream('ints', { key: int32, value: text })
        .merge(builder.stream('longs', { key: int64, value: text }))
    expect(topics((_lines, builder) => void merged(builder).groupByKey().count())).toEqual([
      'ints-merge-groupByKey-repartition',
    ])
  })

  test('not again after a repartition, and not for a sink', () => {
    expect(
      topics((lines) => {
        lines
          .selectKey((_key, line) => line)
          .repartition({ name: 'once' })
          .groupByKey()
          .count()
        lines.selectKey((_key, line) => line).to('out')
      }),
    ).toEqual(['once-repartition'])
  })

  test('once for all that is made of one grouping, and not for a grouping alone', () => {
    expect(
      topics((lines) => {
        const words = lines.groupBy((_key, word) => word)
        words.count()
        words.reduce((first) => first)
        words.windowedBy(tumbling('1m')).count()
        lines.groupBy((key) => key)
      }),
    ).toEqual(['lines-groupBy-repartition'])
  })

  test('with as many partitions as the user says, or as the runtime finds', () => {
    const topology = program((lines) => {
      lines.groupBy((key) => key, { partitions: 6 }).count()
      lines.repartition({ name: 'wide', partitions: 12 })
      lines.repartition()
    })
    expect(topology.repartitionTopics).toEqual([
      { name: 'lines-groupBy-repartition', partitions: 6 },
      { name: 'wide-repartition', partitions: 12 },
      { name: 'lines-through-repartition', partitions: null },
    ])
  })

  test('and keeps records without a key only for a left join', () => {
    const names = program((lines, builder) => {
      const table = builder.table('rows', { key: text, value: text })
      lines.selectKey((key) => key).leftJoin(table, (line) => line, { name: 'left' })
      lines.selectKey((key) => key).join(table, (line) => line, { name: 'inner' })
    }).nodes.map(({ name }) => name)
    expect(names).toContain('inner-left-repartition-filter')
    expect(names).not.toContain('left-left-repartition-filter')
  })
})

describe('serdes', () => {
  test('are inherited as far as the half they are for is kept', () => {
    const topology = program((lines) => {
      lines.filter(() => true).repartition({ name: 'both' })
      lines.mapValues((line) => line.length).repartition({ name: 'key', value: int32 })
      lines.selectKey((_key, line) => line.length).repartition({ name: 'value', key: int32 })
      lines.map((key, line) => [line.length, { key }]).to('none', { key: int32, value: json() })
    })
    const serdes = topology.nodes.flatMap((node) =>
      node.kind === 'sink' ? [[node.topic, node.keySerde.name, node.valueSerde.name]] : [],
    )
    expect(serdes).toEqual([
      ['both-repartition', 'text', 'text'],
      ['key-repartition', 'text', 'int32'],
      ['value-repartition', 'int32', 'text'],
      ['none', 'int32', 'json'],
    ])
  })

  test('of a window are those of its key', () => {
    const topology = program((lines) => {
      lines
        .groupByKey()
        .windowedBy(tumbling('1m', { grace: '5s' }))
        .count()
        .toStream()
        .to('out')
    })
    const sink = topology.nodes.find(({ kind }) => kind === 'sink')
    expect(sink).toMatchObject({
      keySerde: { name: 'windowed(text, 60000ms)' },
      valueSerde: { name: 'int64' },
    })
    expect(topology.stores).toMatchObject([
      { kind: 'window', windowSizeMs: 60_000, retentionMs: 65_000, keySerde: { name: 'text' } },
    ])
  })
})

describe('co-partitioning', () => {
  test('is asked of the topics on both sides of a join', () => {
    const topology = program((lines, builder) => {
      const others = builder.stream('others', { key: text, value: text })
      const rows = builder.table('rows', { key: text, value: text })
      lines.join(others, (left, right) => left + right, { within: '1m' })
      lines.merge(others).leftJoin(rows, (line) => line)
      others.selectKey((key) => key).join(rows, (line) => line, { name: 'looked-up' })
    })
    expect(topology.coPartitioning).toEqual([
      { topics: ['lines', 'others'], operator: `join(...) on 'lines'` },
      { topics: ['lines', 'others', 'rows'], operator: `leftJoin(...) on 'lines-merge'` },
      {
        topics: ['looked-up-left-repartition', 'rows'],
        operator: `join(...) on 'others-selectKey'`,
      },
    ])
  })

  test('is asked of topics whose records are grouped together', () => {
    const topology = program((lines, builder) => {
      lines
        .merge(builder.stream('others', { key: text, value: text }))
        .groupByKey()
        .count()
    })
    expect(topology.coPartitioning).toEqual([
      { topics: ['lines', 'others'], operator: `count(...) on 'lines-merge'` },
    ])
  })

  test('is not asked of a stream joined with itself', () => {
    const topology = program(
      (lines) => void lines.join(lines, (left, right) => left + right, { within: '1m' }),
    )
    expect(topology.coPartitioning).toEqual([])
    expect(subTopologies(topology)).toHaveLength(1)
  })
})

describe('a table', () => {
  test('keeps its rows when it is named or looked up, else not', () => {
    const stores = (write: (builder: StreamsBuilder) => void): string[] => {
      const builder = new StreamsBuilder()
      write(builder)
      return builder.build().stores.map(({ name }) => name)
    }
    expect(stores((builder) => builder.table('rows').toStream().to('out'))).toEqual([])
    expect(stores((builder) => void builder.table('rows', { store: 'kept' }))).toEqual(['kept'])
    expect(
      stores((builder) => {
        const rows = builder.table('rows', { key: text, value: text })
        builder.stream('lines', { key: text, value: text }).join(rows, (line) => line)
      }),
    ).toEqual(['rows-table'])
  })

  test('may read a topic that is also read as a stream', () => {
    const topology = program((lines, builder) => {
      const rows = builder.table('lines', { key: text, value: text, store: 'last-line' })
      lines.join(rows, (line, last) => line + last).to('out')
    })
    expect(topology.nodes.filter(({ kind }) => kind === 'source')).toHaveLength(1)
  })
})

const withoutStores = {
  store: (name: string) => {
    throw new Error(`asked for store ${name}`)
  },
} as Partial<ProcessorContext<unknown, unknown>> as ProcessorContext<unknown, unknown>

describe('a built topology', () => {
  test('does not change when the program goes on', () => {
    const builder = new StreamsBuilder()
    const rows = builder.table('rows', { key: text, value: text })
    rows.toStream().to('copy')
    const first = builder.build()
    const described = first.describe()
    const table = first.nodes.find(({ name }) => name === 'rows-table') as ProcessorNode
    builder
      .stream('lines', { key: text, value: text })
      .join(rows, (line) => line)
      .to('joined')
    const second = builder.build()
    expect(first.describe()).toBe(described)
    expect(() => table.create().init?.(withoutStores)).not.toThrow()
    expect(first.stores).toEqual([])
    expect(second.stores.map(({ name }) => name)).toEqual(['rows-table'])
  })
})
