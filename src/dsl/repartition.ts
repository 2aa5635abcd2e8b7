/**
 * A repartition topic: records go out by their new key and come back in the partition that owns
 * it. Here the program is cut into sub-topologies.
 *
 * Journey: upstream -> drop null keys -> sink -> [topic] -> source -> stateful operator.
 */
import type { Serde } from '../record/serde.ts'
import type { Partitioner, SinkNode, SourceNode } from '../topology/topology.ts'
import type { Place } from './graph.ts'
import { windowedPartitioner } from './windowed-partitioner.ts'

export interface RepartitionPlan<K, V> {
  /** Name of the operator that needs it; the topic is `<name>-repartition`. */
  readonly name: string
  readonly call: string
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly partitions?: number | undefined
  readonly partitioner?: Partitioner<K, V> | undefined
  /** True where what comes has no null keys to filter. */
  readonly keepsNullKeys?: boolean
}

/** Sends a stream through a repartition topic. */
export function repartitionThrough<K, V>(
  place: Place<unknown, unknown>,
  plan: RepartitionPlan<K, V>,
): Place<K, V> {
  const { graph } = place
  const { name, call, key, value } = plan
  const topic = `${name}-repartition`
  graph.addRepartitionTopic({ name: topic, partitions: plan.partitions ?? null }, call)
  let upstream = place.node
  if (!plan.keepsNullKeys) {
    upstream = graph.operators.derive(`${topic}-filter`, call)
    graph.addProcessor(upstream, [place.node], {
      create: graph.nullKeys.addFilter(upstream),
      keepsKey: true,
      keepsValue: true,
    })
  }
  const sink = {
    kind: 'sink',
    name: graph.operators.derive(`${topic}-sink`, call),
    upstream: [upstream],
    topic,
    keySerde: key,
    valueSerde: value,
    partitioner: (plan.partitioner ?? windowedPartitioner(key)) as SinkNode['partitioner'],
  } as const
  const source: SourceNode = {
    kind: 'source',
    name: graph.operators.derive(`${topic}-source`, call),
    topics: [topic],
    keySerde: key,
    valueSerde: value,
    timestamp: null,
    offsetReset: 'earliest',
  }
  graph.add(() => sink)
  graph.add(() => source)
  return {
    graph,
    node: source.name,
    lineage: name,
    topics: [topic],
    key,
    value,
    rekeyed: false,
  }
}
