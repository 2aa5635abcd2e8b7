/**
 * Reads the log file into the topic `access-log`, each line exactly once.
 *
 * Journey: input file -> lines -> [ingest] -> `access-log`.
 *
 * One chunk of the file is one transaction (whatever the guarantee of the processing is):
 *   1. the lines that the chunk completes go to their partitions, line n to partition (n - 1) mod P;
 *   2. the file's position after them is added as the committed offset of the ingest's group: the
 *      offset is the number of lines, the rest is in its metadata;
 *   3. both become visible together, or neither does.
 * A crash between any two leaves the position of the last whole transaction, and the lines after
 * it unread by anyone; starting again fences what was open and reads on from there.
 *
 * Invariant: the key of a line is its number, counted from 1 over everything ever ingested, without
 * gaps. For a single file that is its line number.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { int64, type Log, type Producer, type ProducerRecord } from 'millrace'
import { type Bookmark, InputFile } from './input-file.ts'
import { LineSplitter } from './lines.ts'
import { ACCESS_LOG } from './topology.ts'

/** How often a file that has ended is looked at again. */
const POLL_MS = 200

export interface IngestOptions {
  readonly log: Log
  readonly applicationId: string
  readonly input: string
  readonly partitions: number
  /** Stay at the end of the file and go on when it grows, until `signal` aborts. */
  readonly follow: boolean
  readonly signal: AbortSignal
  /** Called after each transaction. */
  readonly onProgress: (progress: IngestProgress) => void
  /** What a person should know: the file was rotated, truncated, replaced. */
  readonly onNotice: (notice: string) => void
}

export interface IngestProgress {
  /** Lines in `access-log`, those of earlier runs included. */
  readonly lines: number
  /** Of the file being read. */
  readonly position: number
  readonly size: number
}

/** What is committed with the lines: where the file was, and how many lines there are. */
interface Mark extends Bookmark {
  readonly lines: number
  /** The last line was taken without a line end, which may still come. */
  readonly open: boolean
}

/**
 * @returns the number of lines in `access-log` when it stopped: at the end of the file, or, when
 * following, when the signal aborted
 */
export async function ingest(options: IngestOptions): Promise<number> {
  const transactionalId = `${options.applicationId}-ingest`
  await using producer = options.log.producer<number, Buffer>({ transactionalId, key: int64 })
  // Before the position is read: it ends what an earlier process left open.
  await producer.init()
  const mark = await committedMark(options)
  return await new Ingest(options, producer, mark?.lines ?? 0).run(mark)
}

class Ingest {
  readonly #options: IngestOptions
  readonly #producer: Producer<number, Buffer>
  readonly #group: string
  #lines: number

  constructor(options: IngestOptions, producer: Producer<number, Buffer>, lines: number) {
    this.#options = options
    this.#producer = producer
    this.#group = groupOf(options.applicationId)
    this.#lines = lines
  }

  async run(mark: Mark | null): Promise<number> {
    const { signal, follow } = this.#options
    let file = await this.#resume(mark)
    const position = file?.position ?? 0
    let splitter = new LineSplitter(position, position > 0 && mark?.open === true)
    while (!signal.aborted) {
      const chunk = (await file?.read()) ?? null
      if (file !== null && chunk !== null) {
        await this.#commit(file, splitter, splitter.push(chunk), false)
        continue
      }
      const next = await this.#next(file, splitter)
      if (next === 'end' && !follow) {
        const rest = splitter.finish()
        if (file !== null && rest !== null) await this.#commit(file, splitter, [rest], true)
        break
      }
      if (next === 'end') await wait(POLL_MS, undefined, { signal }).catch(() => {})
      else if (next !== 'grown') {
        file = next
        splitter = new LineSplitter(0)
      }
    }
    await file?.close()
    return this.#lines
  }

  /** The file where it was left, or from its beginning when it is another one. */
  async #resume(mark: Mark | null): Promise<InputFile | null> {
    const { input, onNotice } = this.#options
    if (mark === null) return InputFile.open(input)
    const known = await InputFile.reopen(input, mark)
    if (known !== null) return known
    onNotice(`${input} is not the file that was read before: it is read from its beginning`)
    return InputFile.open(input)
  }

  /** At the end of a file: the file to go on with from its beginning, or that there is none (yet). */
  async #next(
    file: InputFile | null,
    splitter: LineSplitter,
  ): Promise<InputFile | 'grown' | 'end'> {
    const { input, onNotice } = this.#options
    const change = file === null ? 'rotated' : await file.change()
    if (change === 'none') return 'end'
    if (change === 'grown') return 'grown'
    const next = await InputFile.open(input)
    if (next === null) return 'end'
    if (file !== null) {
      onNotice(`${input} was ${change}: the new one is read from its beginning`)
      const rest = change === 'rotated' ? splitter.finish() : null
      if (rest !== null) await this.#commit(file, splitter, [rest], true)
      await file.close()
    }
    return next
  }

  /** One transaction. `open`: the last of the lines had no line end. */
  async #commit(
    file: InputFile,
    splitter: LineSplitter,
    lines: readonly Buffer[],
    open: boolean,
  ): Promise<void> {
    if (lines.length === 0) return
    const total = this.#lines + lines.length
    const mark: Mark = { ...(await file.bookmark(splitter.position)), lines: total, open }
    const metadata = JSON.stringify(mark)
    await this.#producer.transaction(async (transaction) => {
      await transaction.sendMany(this.#records(lines))
      const committed = { topic: ACCESS_LOG, partition: 0, offset: total, metadata }
      await transaction.sendOffsets(this.#group, [committed])
    })
    this.#lines = total
    const size = await file.size()
    this.#options.onProgress({ lines: total, position: file.position, size })
  }

  *#records(lines: readonly Buffer[]): Iterable<ProducerRecord<number, Buffer>> {
    const { partitions } = this.#options
    let index = this.#lines
    for (const value of lines) {
      yield { topic: ACCESS_LOG, partition: index % partitions, key: index + 1, value }
      index++
    }
  }
}

function groupOf(applicationId: string): string {
  return `${applicationId}-ingest`
}

async function committedMark({ log, applicationId }: IngestOptions): Promise<Mark | null> {
  const partitions = [{ topic: ACCESS_LOG, partition: 0 }]
  const [found] = await log.fetchOffsets(groupOf(applicationId), partitions, {
    requireStable: true,
  })
  if (found === undefined || found.error !== null) {
    throw new Error(`The position of the input cannot be read: ${found?.error?.message}`)
  }
  return found.offset < 0 ? null : (JSON.parse(found.metadata) as Mark)
}
