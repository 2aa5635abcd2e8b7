/** Loads a generated data file into the input topics of a fresh log. Not timed. */
import { createReadStream } from 'node:fs'
import type { ByteRange } from '../../src/record/record.ts'
import type { TopologyName } from '../names.ts'
import { WORKLOADS } from '../workloads/index.ts'
import { withLog } from './log.ts'
import { createTopic, TopicWriter } from './topic-writer.ts'

const TAB = 9
const NEWLINE = 10
const CHUNK_BYTES = 1024 * 1024

export interface LoadInput {
  readonly workload: TopologyName
  readonly file: string
  readonly directory: string
}

export interface Loaded {
  readonly records: number
}

export function load({ workload, file, directory }: LoadInput): Promise<Loaded> {
  return withLog(directory, async (client) => {
    const writers = new Map<string, TopicWriter>()
    for (const topic of WORKLOADS[workload].inputs) {
      await createTopic(client, topic)
      writers.set(topic, new TopicWriter(client, topic))
    }
    let records = 0
    for await (const lines of wholeLines(file)) {
      let position = 0
      while (position < lines.length) {
        const end = lines.indexOf(NEWLINE, position)
        const sent = writeLine(writers, lines, position, end)
        if (sent !== undefined) await sent
        position = end + 1
        records++
      }
    }
    for (const writer of writers.values()) await writer.flush()
    return { records }
  })
}

/** Pieces of the file that end at the end of a line. */
async function* wholeLines(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  const chunks: AsyncIterable<Buffer> = createReadStream(file, { highWaterMark: CHUNK_BYTES })
  for await (const chunk of chunks) {
    const piece = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const end = piece.lastIndexOf(NEWLINE) + 1
    yield piece.subarray(0, end)
    rest = piece.subarray(end)
  }
  if (rest.length > 0) throw new Error(`${file} ends within a line`)
}

/** `topic TAB key TAB timestamp TAB value`; an empty key is a null key. */
function writeLine(
  writers: ReadonlyMap<string, TopicWriter>,
  lines: Buffer,
  start: number,
  end: number,
): Promise<void> | undefined {
  const topicEnd = lines.indexOf(TAB, start)
  const keyEnd = lines.indexOf(TAB, topicEnd + 1)
  const timestampEnd = lines.indexOf(TAB, keyEnd + 1)
  const topic = lines.latin1Slice(start, topicEnd)
  const timestamp = Number(lines.latin1Slice(keyEnd + 1, timestampEnd))
  const key: ByteRange | null =
    keyEnd === topicEnd + 1 ? null : { bytes: lines, start: topicEnd + 1, end: keyEnd }
  const value: ByteRange = { bytes: lines, start: timestampEnd + 1, end }
  return writers.get(topic)!.write(key, value, timestamp)
}
