import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { subTopologies } from '../../src/topology/sub-topologies.ts'
import { buildTopology } from '../../src/topology/validate.ts'
import { parts, processor, sink, source, store } from './parts.ts'

/** Node names of each part, as one line a part. */
function cut(given: Parameters<typeof parts>[0]): string[] {
  return subTopologies(buildTopology(parts(given))).map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ name }) => name).join(' ')}`,
  )
}

describe('sub-topologies', () => {
  test('are the connected parts, in the order of their first nodes', () => {
    expect(
      cut({
        nodes: [
          source('b', 'topic-b'),
          source('a', 'topic-a'),
          processor('a1', ['a']),
          sink('b1', ['b'], 'out'),
          sink('a2', ['a1'], 'out'),
        ],
      }),
    ).toEqual(['0: b b1', '1: a a1 a2'])
  })

  test('are joined by a node below both', () => {
    expect(
      cut({ nodes: [source('a', 'a'), source('b', 'b'), processor('merge', ['a', 'b'])] }),
    ).toEqual(['0: a b merge'])
  })

  test('are joined by a store that both use', () => {
    const nodes = [
      source('a', 'a'),
      source('b', 'b'),
      source('c', 'c'),
      processor('a1', ['a'], ['table']),
      processor('b1', ['b'], ['table']),
    ]
    expect(cut({ nodes, stores: [store('table')] })).toEqual(['0: a b a1 b1', '1: c'])
  })

  test('are cut at a repartition topic, and list what they read, write and keep', () => {
    const topology = buildTopology(
      parts({
        nodes: [
          source('in', 'in'),
          sink('to', ['in'], 'x-repartition'),
          source('from', 'x-repartition'),
          processor('count', ['from'], ['counts']),
          sink('out', ['count'], 'out'),
          sink('anywhere', ['count'], () => 'chosen'),
        ],
        stores: [store('counts')],
        repartitionTopics: [{ name: 'x-repartition', partitions: null }],
      }),
    )
    expect(
      subTopologies(topology).map(({ sourceTopics, sinkTopics, stores }) => ({
        sourceTopics,
        sinkTopics,
        stores: stores.map(({ name }) => name),
      })),
    ).toEqual([
      { sourceTopics: ['in'], sinkTopics: ['x-repartition'], stores: [] },
      { sourceTopics: ['x-repartition'], sinkTopics: ['out'], stores: ['counts'] },
    ])
  })

  test('partition the nodes, and no edge or store leaves its part, whatever the program', () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1e9)
    const program = fc.array(
      fc.record({ up: fc.array(fc.nat(), { maxLength: 2 }), store: fc.option(fc.nat(3)) }),
      { minLength: 1, maxLength: 25 },
    )
    fc.assert(
      fc.property(program, (steps) => {
        const nodes = steps.map(({ up, store }, index) =>
          up.length === 0 || index === 0
            ? source(`n${index}`, `t${index}`)
            : processor(
                `n${index}`,
                [...new Set(up.map((number) => `n${number % index}`))],
                store === null ? [] : [`s${store}`],
              ),
        )
        const used = new Set(
          nodes.flatMap((node) => (node.kind === 'processor' ? node.stores : [])),
        )
        const built = buildTopology(parts({ nodes, stores: [...used].map(store) }))
        const found = subTopologies(built)
        const partOf = new Map(
          found.flatMap(({ id, nodes }) => nodes.map(({ name }) => [name, id] as const)),
        )
        expect(found.flatMap((part) => part.nodes)).toHaveLength(nodes.length)
        expect(found.flatMap((part) => part.stores)).toHaveLength(used.size)
        for (const node of nodes) {
          if (node.kind !== 'processor') continue
          for (const name of node.upstream) expect(partOf.get(name)).toBe(partOf.get(node.name))
          for (const name of node.stores) {
            const home = found.find((part) => part.stores.some((store) => store.name === name))
            expect(home?.id).toBe(partOf.get(node.name))
          }
        }
      }),
      { seed, numRuns: 200 },
    )
  })
})
