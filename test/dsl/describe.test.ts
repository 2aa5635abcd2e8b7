import { expect, test } from 'vitest'
import { StreamsBuilder, text } from '../../src/index.ts'
import { programs } from './programs.ts'

test.each(Object.entries(programs))(
  '%s is described as Kafka Streams would',
  async (name, build) => {
    await expect(build().describe()).toMatchFileSnapshot(`topologies/${name}.txt`)
  },
)

test('with the names of Kafka Streams the description is the one it gives', () => {
  const builder = new StreamsBuilder()
  builder
    .stream('in', { key: text, value: text, name: 'KSTREAM-SOURCE-0000000000' })
    .selectKey((_key, value) => value, { name: 'rekey' })
    .groupByKey({ name: 'grp' })
    .count({ name: 'counting', store: 'n' })
    .toStream({ name: 'rows' })
    .to('out', { name: 'KSTREAM-SINK-0000000007' })
  // What Kafka Streams 4.3 answers for the same program.
  expect(builder.build().describe()).toBe(
    [
      'Topologies:',
      '   Sub-topology: 0',
      '    Source: KSTREAM-SOURCE-0000000000 (topics: [in])',
      '      --> rekey',
      '    Processor: rekey (stores: [])',
      '      --> grp-repartition-filter',
      '      <-- KSTREAM-SOURCE-0000000000',
      '    Processor: grp-repartition-filter (stores: [])',
      '      --> grp-repartition-sink',
      '      <-- rekey',
      '    Sink: grp-repartition-sink (topic: grp-repartition)',
      '      <-- grp-repartition-filter',
      '',
      '  Sub-topology: 1',
      '    Source: grp-repartition-source (topics: [grp-repartition])',
      '      --> counting',
      '    Processor: counting (stores: [n])',
      '      --> rows',
      '      <-- grp-repartition-source',
      '    Processor: rows (stores: [])',
      '      --> KSTREAM-SINK-0000000007',
      '      <-- counting',
      '    Sink: KSTREAM-SINK-0000000007 (topic: out)',
      '      <-- rows',
      '',
      '',
    ].join('\n'),
  )
})

test.each(['json', 'dot', 'mermaid'] as const)('a topology is drawn as %s', async (format) => {
  const topology = programs['web-log']?.()
  await expect(topology?.describe(format)).toMatchFileSnapshot(`topologies/web-log.${format}`)
})

test('an unknown form names those there are', () => {
  const topology = programs['word-count']?.()
  expect(() => topology?.describe('svg' as 'dot')).toThrow(
    "describe('svg'): write 'text', 'json', 'dot', 'mermaid'",
  )
})
