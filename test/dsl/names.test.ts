import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type KStream, StreamsBuilder, type Topology, text, tumbling } from '../../src/index.ts'

type Lines = KStream<string, string, 'key' | 'value' | 'partitioned'>

function program(write: (lines: Lines, builder: StreamsBuilder) => void): Topology {
  const builder = new StreamsBuilder()
  write(builder.stream('lines', { key: text, value: text }), builder)
  return builder.build()
}

/** Names that outlive a run: of stores and repartition topics. */
function kept(topology: Topology): string[] {
  return [...topology.stores, ...topology.repartitionTopics].map(({ name }) => name)
}

const countWords = (lines: Lines): void => {
  lines
    .groupBy((_key, word) => word)
    .count()
    .toStream()
    .to('words')
}

describe('derived names', () => {
  test('say where an operator stands', () => {
    expect(kept(program(countWords))).toEqual(['lines-groupBy-count', 'lines-groupBy-repartition'])
    expect(program(countWords).nodes.map(({ name }) => name)).toEqual([
      'lines',
      'lines-groupBy',
      'lines-groupBy-repartition-filter',
      'lines-groupBy-repartition-sink',
      'lines-groupBy-repartition-source',
      'lines-groupBy-count',
      'lines-groupBy-count-toStream',
      'lines-groupBy-count-to',
    ])
  })

  test.each<[string, (lines: Lines, builder: StreamsBuilder) => void]>([
    ['another source', (_lines, builder) => builder.stream('others').foreach(() => {})],
    ['a table', (_lines, builder) => builder.table('others').toStream().to('copy')],
    ['another branch', (lines) => lines.filter((key) => key !== '').to('copy')],
    [
      'state in another branch',
      (lines) =>
        void lines
          .filter(() => true)
          .groupByKey()
          .count(),
    ],
    ['a repartition in another branch', (lines) => void lines.repartition().groupByKey().count()],
    [
      'a grouping in another branch',
      (lines) =>
        void lines
          .mapValues((line) => line.trim())
          .groupBy((_key, word) => word)
          .windowedBy(tumbling('1m'))
          .count(),
    ],
    ['a peek before it', (lines) => countWords(lines.peek(() => {}))],
  ])('stay when %s is added before', (what, added) => {
    const before = kept(program(countWords))
    const edited = program((lines, builder) => {
      added(lines, builder)
      if (!what.startsWith('a peek')) countWords(lines)
    })
    expect(kept(edited)).toEqual(expect.arrayContaining(before))
  })

  test('get an ordinal among equal siblings, in their order', () => {
    const topology = program((lines) => {
      lines.groupByKey().count()
      lines.groupByKey().count()
      lines.groupBy((_key, line) => line).count()
      lines.groupBy((key) => key).count()
    })
    expect(kept(topology)).toEqual([
      'lines-count',
      'lines-count-2',
      'lines-groupBy-count',
      'lines-groupBy-2-count',
      'lines-groupBy-repartition',
      'lines-groupBy-2-repartition',
    ])
  })

  test('begin anew at a name of the user', () => {
    const topology = program((lines) => {
      lines
        .filter(() => true, { name: 'real' })
        .groupBy((_key, line) => line, { name: 'by-line' })
        .count({ store: 'line-counts' })
        .toStream()
        .filter((_line, count) => count > 1)
        .groupByKey()
        .count()
    })
    expect(kept(topology)).toEqual([
      'line-counts',
      'line-counts-filter-count',
      'by-line-repartition',
    ])
  })

  test('are not longer than a topic may be, however long the program', () => {
    let lines: Lines = new StreamsBuilder().stream('lines', { key: text, value: text })
    for (let index = 0; index < 100; index++) lines = lines.filter(() => true)
    lines.groupBy((key) => key).count()
    for (const name of kept(lines.place.graph.build())) expect(name.length).toBeLessThan(200)
  })
})

/** A chain of verbs on a topic; it ends in state. */
interface Chain {
  readonly topic: number
  readonly verbs: readonly number[]
}

function namesOf(chains: readonly Chain[]): string[] {
  const builder = new StreamsBuilder()
  for (const { topic, verbs } of chains) {
    let lines: Lines = builder.stream(`topic-${topic}`, { key: text, value: text })
    for (const verb of verbs) lines = (VERBS[verb] as (lines: Lines) => Lines)(lines)
    lines.groupByKey().count()
  }
  const topology = builder.build()
  return [...kept(topology), ...topology.nodes.map(({ name }) => name)]
}

const VERBS: ((lines: Lines) => Lines)[] = [
  (lines) => lines.filter(() => true),
  (lines) => lines.peek(() => {}),
  (lines) => lines.repartition(),
  (lines) => lines.split({ all: () => true }).all,
  (lines) => lines.merge(lines),
  (lines) => lines.selectKey((key) => key).repartition(),
]

test('whatever the program, a chain elsewhere renames nothing, nor does one at the end', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9)
  const chain = fc.record({
    topic: fc.nat(2),
    verbs: fc.array(fc.nat(VERBS.length - 1), { maxLength: 5 }),
  })
  const program = fc.array(chain, { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(program, chain, fc.nat(), (chains, added, at) => {
      const before = namesOf(chains)
      const elsewhere = chains.toSpliced(at % (chains.length + 1), 0, { ...added, topic: 9 })
      expect(namesOf(elsewhere)).toEqual(expect.arrayContaining(before))
      expect(namesOf([...chains, added])).toEqual(expect.arrayContaining(before))
    }),
    { seed, numRuns: 200 },
  )
})

describe('names of the user', () => {
  test('name operators, stores, topics and branches', () => {
    const topology = program((lines) => {
      const { long } = lines.split(
        { long: (_key, line) => line.length > 80 },
        { name: 'by-length' },
      )
      long
        .groupBy((_key, line) => line, { name: 'same' })
        .count({ name: 'counting', store: 'counts' })
    })
    expect(topology.nodes.map(({ name }) => name)).toEqual([
      'lines',
      'by-length',
      'by-length-long',
      'same',
      'same-repartition-filter',
      'same-repartition-sink',
      'same-repartition-source',
      'counting',
    ])
    expect(kept(topology)).toEqual(['counts', 'same-repartition'])
  })

  test('are taken once', () => {
    expect(() =>
      program((lines) => {
        lines.groupByKey().count({ store: 'counts' })
        lines
          .filter(() => true)
          .groupByKey()
          .count({ store: 'counts' })
      }),
    ).toThrow(
      new TypeError(
        `count(...) on 'lines-filter' uses the store name 'counts', which count(...) on 'lines' has taken; give one of them another name`,
      ),
    )
    expect(() =>
      program((lines) => lines.filter(() => true, { name: 'a' }).peek(() => {}, { name: 'a' })),
    ).toThrow(/operator name 'a'/)
    expect(() =>
      program((lines) => {
        lines.repartition({ name: 'spread' })
        lines.filter(() => true).repartition({ name: 'spread' })
      }),
    ).toThrow(/repartition topic name 'spread-repartition'/)
  })
})

describe('a builder that requires names', () => {
  function counting(options: { group?: string; store?: string }) {
    const builder = new StreamsBuilder({ requireNames: true })
    builder
      .stream('words', { value: text })
      .groupBy((_key, word) => word, { name: options.group })
      .count({ store: options.store })
    return () => builder.build()
  }

  test('builds where stores and repartition topics have them', () => {
    expect(counting({ group: 'by-word', store: 'counts' })).not.toThrow()
  })

  test('says which do not', () => {
    expect(counting({})).toThrow(
      "these are derived: store 'words-groupBy-count', repartition topic 'words-groupBy-repartition'",
    )
    expect(counting({ store: 'counts' })).toThrow("repartition topic 'words-groupBy-repartition';")
    expect(counting({ group: 'by-word' })).toThrow("store 'by-word-count'")
  })
})
