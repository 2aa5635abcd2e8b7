import { describe, expect, test } from 'vitest'
import { buildTopology, type TopologyParts } from '../../src/topology/validate.ts'
import { parts, processor, sink, source, store } from './parts.ts'

const input = source('in', 'in')

describe('a topology', () => {
  test('is frozen, and untouched by what happens to its parts', () => {
    const nodes = [input, sink('out', ['in'], 'out')]
    const topology = buildTopology(parts({ nodes }))
    nodes.pop()
    expect(topology.nodes).toHaveLength(2)
    expect(Object.isFrozen(topology)).toBe(true)
    expect(Object.isFrozen(topology.nodes)).toBe(true)
    expect(Object.isFrozen(topology.nodes[0])).toBe(true)
  })

  const wrong: [string, Partial<TopologyParts>, string][] = [
    ['no source', {}, 'the topology reads no topic; begin with stream(...) or table(...)'],
    [
      'a name twice',
      { nodes: [input, processor('in', ['in'])] },
      `two operators are named 'in'; rename one of them`,
    ],
    [
      'an unknown upstream',
      { nodes: [input, processor('p', ['q'])] },
      `processor 'p' reads from 'q', which does not stand before it`,
    ],
    [
      'an upstream that comes later',
      { nodes: [input, processor('p', ['q']), processor('q', ['in'])] },
      `processor 'p' reads from 'q', which does not stand before it`,
    ],
    [
      'a sink upstream',
      { nodes: [input, sink('out', ['in'], 'out'), processor('p', ['out'])] },
      `processor 'p' reads from sink 'out'; a sink ends its stream`,
    ],
    [
      'nothing upstream',
      { nodes: [input, sink('out', [], 'out')] },
      `sink 'out' has nothing upstream; name the operators it reads from`,
    ],
    ['no topics', { nodes: [source('in')] }, `source 'in' has no topics; name at least one`],
    [
      'a topic read twice',
      { nodes: [input, source('again', 'other', 'in')] },
      `sources 'in' and 'again' both read topic 'in'; read it once and use that stream twice`,
    ],
    [
      'an unknown store',
      { nodes: [input, processor('p', ['in'], ['rows'])] },
      `processor 'p' uses store 'rows', which is not in the topology`,
    ],
    [
      'an unused store',
      { nodes: [input], stores: [store('rows')] },
      `store 'rows' is used by no operator; connect it or leave it out`,
    ],
    [
      'a store twice',
      { nodes: [input, processor('p', ['in'], ['rows'])], stores: [store('rows'), store('rows')] },
      `two stores are named 'rows'; rename one of them`,
    ],
    [
      'create that is no function',
      { nodes: [input, { ...processor('p', ['in']), create: {} as () => never }] },
      `create of processor 'p' is an object; pass a function`,
    ],
    [
      'half a repartition topic',
      {
        nodes: [input, sink('to', ['in'], 'x-repartition')],
        repartitionTopics: [{ name: 'x-repartition', partitions: null }],
      },
      `repartition topic 'x-repartition' needs a sink that writes it and a source that reads it`,
    ],
    [
      'co-partitioning of a topic that is not read',
      { nodes: [input], coPartitioning: [{ topics: ['in', 'other'], operator: 'join(...)' }] },
      `join(...) names topic 'other', which no source reads`,
    ],
  ]
  test.each(wrong)('with %s is refused', (_what, given, message) => {
    expect(() => buildTopology(parts(given))).toThrow(new TypeError(message))
  })

  test('has names and topics of the characters that topics have', () => {
    expect(() => buildTopology(parts({ nodes: [source('in', 'a b')] }))).toThrow(
      new RangeError(
        `topic of source 'in' is 'a b', with ' ' at 1; use letters, digits, '.', '_' and '-'`,
      ),
    )
  })
})
