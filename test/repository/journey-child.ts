/**
 * Builds and runs a windowed count under V8's precise coverage and prints, as JSON, which functions
 * of which files of `src/` were called: while the program was built, and while its records ran,
 * from the moment the application runs to the moment it stops (opening and closing are left out).
 *
 * A process of its own, so that nothing else is counted. Argument: a folder for log and state.
 */
import { type Profiler, Session } from 'node:inspector'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { embedded, int64, Streams, StreamsBuilder, type Topology, text, tumbling } from 'millrace'
import { sourceRoot } from './source-files.ts'

const RECORDS = 3
const folder = process.argv[2] as string
const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })

/** Functions called since the last look, by file. */
function called(): Record<string, string[]> {
  const files: Record<string, string[]> = {}
  const root = `${pathToFileURL(sourceRoot).href}/`
  session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
    for (const script of result) {
      if (!script.url.startsWith(root)) continue
      const names = script.functions.filter(isCalled).map(({ functionName }) => functionName)
      if (names.length > 0) files[script.url.slice(root.length)] = names
    }
  })
  return files
}

/** The code of a module itself is a function without a name at offset 0: that is not a call. */
function isCalled({ ranges, isBlockCoverage, functionName }: Profiler.FunctionCoverage): boolean {
  const [range] = ranges
  if (range === undefined || range.count === 0) return false
  return !(functionName === '' && range.startOffset === 0) && !isBlockCoverage
}

const openLog = () => embedded({ directory: join(folder, 'log') })

/** Writes the same keys again into the window that `time` is in. */
async function produce(time: number): Promise<void> {
  const log = openLog()
  const producer = log.producer({ key: text, value: text })
  for (let index = 0; index < RECORDS; index++) {
    await producer.send({ topic: 'words', key: `key ${index}`, value: 'a', timestamp: time })
  }
  await producer.close()
  await log.shutdown()
}

/** Runs to the end of what is there; what was called between running and stopping. */
async function run(topology: Topology): Promise<Record<string, string[]>> {
  const log = openLog()
  const app = new Streams(topology, {
    applicationId: 'journey',
    log,
    stateDirectory: join(folder, 'state'),
    until: 'end',
  })
  let touched: Record<string, string[]> = {}
  app.onStateChange((state) => {
    if (state === 'running') called()
    if (state === 'stopping') touched = called()
  })
  await app.start()
  await app.finished
  await log.shutdown()
  return touched
}

const log = openLog()
await log.admin.createTopics([
  { topic: 'words', partitions: 1 },
  { topic: 'counts', partitions: 1 },
])
await log.shutdown()

called()
const builder = new StreamsBuilder()
builder
  .stream('words', { key: text, value: text })
  .groupByKey()
  .windowedBy(tumbling('1m', { grace: '10s' }))
  .count({ store: 'counts' })
  .toStream()
  .to('counts', { value: int64 })
const topology = builder.build()
const built = called()

// The first run leaves rows in RocksDB; the second, on an opened log, reads records and rows at rest.
const time = Date.now()
await produce(time)
await run(topology)
await produce(time)
console.log(JSON.stringify({ build: built, run: await run(topology) }))
