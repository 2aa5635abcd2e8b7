/** All topologies that are measured, by name. */
import type { TopologyName } from '../names.ts'
import { filter } from './filter.ts'
import { hopping } from './hopping.ts'
import { streamjoin } from './streamjoin.ts'
import { tablejoin } from './tablejoin.ts'
import { weblog } from './weblog.ts'
import { wordcount } from './wordcount.ts'
import type { Workload } from './workload.ts'

export const WORKLOADS: Readonly<Record<TopologyName, Workload>> = {
  filter,
  weblog,
  wordcount,
  streamjoin,
  tablejoin,
  hopping,
}
