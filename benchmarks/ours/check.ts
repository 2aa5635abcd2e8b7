/** Adds up an output topic, read committed, for the checksums. Not timed. */
import { join } from 'node:path'
import { type Checksums, Summation } from '../checksums.ts'
import type { TopologyName } from '../names.ts'
import { WORKLOADS } from '../workloads/index.ts'
import { withLog } from './log.ts'
import { OUTPUT } from './run.ts'
import { TopicReader } from './topic-reader.ts'

export interface CheckInput {
  /** The folder that a run used. */
  readonly directory: string
  readonly workload: TopologyName
}

export function check({ directory, workload }: CheckInput): Promise<Checksums> {
  const { numbers, upserts } = WORKLOADS[workload]
  return withLog(join(directory, 'log'), async (client) => {
    const summation = new Summation(upserts)
    const reader = new TopicReader(client, OUTPUT)
    await reader.toEnd(({ bytes, keyStart, keyEnd, valueStart, valueEnd }) => {
      const key = upserts ? bytes.toString('utf8', keyStart, keyEnd) : ''
      summation.add(key, valueStart < 0 ? null : numbers(bytes.subarray(valueStart, valueEnd)))
    })
    await reader.close()
    return summation.checksums()
  })
}
