/** Parts of topologies written by hand, short. */
import { text } from '../../src/record/serdes.ts'
import type { KeyValueStoreDefinition } from '../../src/state/store.ts'
import type { ProcessorNode, SinkNode, SourceNode } from '../../src/topology/topology.ts'
import type { TopologyParts } from '../../src/topology/validate.ts'

export function source(name: string, ...topics: string[]): SourceNode {
  return {
    kind: 'source',
    name,
    topics,
    keySerde: text,
    valueSerde: text,
    timestamp: null,
    offsetReset: 'earliest',
  }
}

export function processor(name: string, upstream: string[], stores: string[] = []): ProcessorNode {
  const create = () => ({ process() {} })
  return { kind: 'processor', name, upstream, stores, create, keepsKey: true, keepsValue: true }
}

export function sink(name: string, upstream: string[], topic: SinkNode['topic']): SinkNode {
  return {
    kind: 'sink',
    name,
    upstream,
    topic,
    keySerde: text,
    valueSerde: text,
    partitioner: null,
  }
}

export function store(name: string): KeyValueStoreDefinition {
  return {
    kind: 'key-value',
    name,
    keySerde: text,
    valueSerde: text,
    storage: 'memory',
    changelog: true,
    keepsBefore: false,
  }
}

export function parts(given: Partial<TopologyParts>): TopologyParts {
  return { nodes: [], stores: [], repartitionTopics: [], coPartitioning: [], ...given }
}
