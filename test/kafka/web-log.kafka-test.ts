/** The main job's topology on a real cluster: the same table as an independent script makes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafka, Streams } from 'millrace'
import { expect, it } from 'vitest'
import { SAMPLE } from '../../examples/web-log/args.ts'
import { ingest } from '../../examples/web-log/ingest.ts'
import { sortPageStats } from '../../examples/web-log/report.ts'
import { countRejected, readPageStats } from '../../examples/web-log/results.ts'
import { createTopics, webLogTopology } from '../../examples/web-log/topology.ts'
import { webLogTable } from '../independent/web-log-table.mjs'
import { brokers } from './brokers.ts'

const WINDOW_MS = 60_000
const GRACE_MS = 7 * 86_400_000

it.each([
  [1, 'exactly-once'],
  [4, 'exactly-once'],
  [4, 'at-least-once'],
] as const)('gives the independent table with %i partitions, %s', async (partitions, guarantee) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-kafka-'))
  await using log = kafka({ brokers: brokers() })
  await log.admin.deleteTopics((await log.describeTopics()).map(({ topic }) => topic))
  try {
    const applicationId = `web-log-${partitions}-${guarantee}`
    await createTopics(log, partitions)
    const lines = await ingest({
      log,
      applicationId,
      input: SAMPLE,
      partitions,
      follow: false,
      signal: new AbortController().signal,
      onNotice: () => {},
      onProgress: () => {},
    })
    const app = new Streams(webLogTopology({ windowMs: WINDOW_MS, graceMs: GRACE_MS }), {
      applicationId,
      log,
      guarantee,
      until: 'end',
      stateDirectory: folder,
      handleSignals: false,
    })
    await app.start()
    await app.finished
    await app.close()
    expect(sortPageStats(await readPageStats(log, WINDOW_MS))).toEqual(
      webLogTable(readFileSync(SAMPLE), WINDOW_MS).rows,
    )
    const rejected = [...(await countRejected(log, partitions)).values()]
    expect([lines, rejected.reduce((sum, count) => sum + count, 0)]).toEqual([2000, 7])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
