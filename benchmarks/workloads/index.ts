/** All topologies that are measured, by name. */
import type { TopologyName } from '../names.ts'
import { filter } from './filter.ts'
import { fkjoin } from './fkjoin.ts'
import { hopping } from './hopping.ts'
import { sessions } from './sessions.ts'
import { streamjoin } from './streamjoin.ts'
import { tablejoin } from './tablejoin.ts'
import { weblog, weblogGrace10 } from './weblog.ts'
import { wordcount } from './wordcount.ts'
import type { Workload } from './workload.ts'

export const WORKLOADS: Readonly<Record<TopologyName, Workload>> = {
  filter,
  weblog,
  'weblog-grace10': weblogGrace10,
  wordcount,
  streamjoin,
  tablejoin,
  hopping,
  sessions,
  fkjoin,
}
