/**
 * Who visited, for how long, and what they looked at: the lines of an access log become visits.
 *
 *   node --conditions=millrace-source examples/sessions/main.ts [FILE]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, json, nullable, Streams, sessionWindowed, text } from 'millrace'
import { readTopic } from '../read-topic.ts'
import { ACCESS_LOG, sessionsTopology, VISITS, type Visit, type VisitKey } from './topology.ts'

export interface FoundVisit extends VisitKey, Visit {}

const PARTITIONS = 4

/** The visits in the lines of a log, by client, then start; what the run keeps lies in `directory`. */
export async function visitsOf(lines: readonly string[], directory: string): Promise<FoundVisit[]> {
  // Records of the sample are older than any retention by time.
  const topicDefaults = { 'retention.ms': '-1' }
  await using log = embedded({ directory: join(directory, 'log'), topicDefaults })
  await log.open()
  // One partition: the lines of a file are in their order there.
  await log.admin.createTopics([
    { topic: ACCESS_LOG, partitions: 1 },
    { topic: VISITS, partitions: PARTITIONS },
  ])
  await using producer = log.producer({ value: text })
  await producer.sendMany(lines.map((value) => ({ topic: ACCESS_LOG, value })))
  await producer.flush()

  const app = new Streams(sessionsTopology(), {
    applicationId: 'visits',
    log,
    stateDirectory: join(directory, 'state'),
    until: 'end',
  })
  await app.start()
  await app.finished

  const visits = new Map<string, FoundVisit>()
  const serdes = { key: sessionWindowed(text), value: nullable(json<Visit>()) }
  await readTopic(log, VISITS, serdes, ({ key, value }) => {
    const id = `${key.key} ${key.start} ${key.end}`
    if (value === null) visits.delete(id)
    else visits.set(id, { ...key, ...value })
  })
  return [...visits.values()].sort((a, b) =>
    a.key < b.key ? -1 : a.key > b.key ? 1 : a.start - b.start,
  )
}

async function main(file: string | URL): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-sessions-'))
  try {
    const lines = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    const visits = await visitsOf(lines, directory)
    console.log('client           begins                    minutes  pages       bytes  from, to')
    for (const { key, start, end, pages, bytes, firstPage, lastPage } of visits) {
      const minutes = ((end - start) / 60_000).toFixed(1)
      const numbers = [minutes.padStart(9), String(pages).padStart(7), String(bytes).padStart(12)]
      const begins = new Date(start).toISOString()
      console.log(`${key.padEnd(16)} ${begins}${numbers.join('')}  ${firstPage}, ${lastPage}`)
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (import.meta.main) {
  await main(process.argv[2] ?? new URL('../web-log/sample.log', import.meta.url))
}
