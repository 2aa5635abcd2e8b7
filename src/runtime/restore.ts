/**
 * Restore: brings each task's database up to its changelogs before the task runs.
 *
 * Journey: changelog partition -> [restore] -> the store's rows -> database. The rows go past the
 * write buffers: nothing of a restore stays in memory.
 *
 * Invariants:
 * - Restoring starts at the offset the database was saved with, and ends at the end of the log seen
 *   at start; nobody else writes these partitions any more. What a transaction that was just
 *   committed wrote there is waited for: on a cluster its markers come after the commit's answer.
 * - The offset is written after the rows it goes up to, so an interrupted restore goes on from there.
 * - One write per database is in flight, while the next is being filled; all tasks at once.
 * - Memory: of each task one fetch and what `RestoreWriter` states, whatever the changelog's length.
 */
import type { FetchedPartition, Fetcher, LogClient, TopicPartition } from '../client/client.ts'
import { CommittedBatches } from '../client/committed-batches.ts'
import type { Clock } from '../clock.ts'
import { StreamsError } from '../errors.ts'
import type { StartingPoint, Task } from './task.ts'
import type { StoreChangelog } from './task-stores.ts'

/** Buffers that go with the young garbage: 4 MB ones bring four times as many full collections. */
const FETCH_BYTES = 256 * 1024
const FETCH_WAIT_MS = 1000

export interface RestoreOptions {
  readonly client: LogClient
  readonly clock: Clock
  /** By task, where its input begins. */
  readonly starts: ReadonlyMap<string, readonly StartingPoint[]>
}

/** Restores all tasks; how many changelog records that took. */
export async function restoreTasks(
  tasks: readonly Task[],
  around: RestoreOptions,
): Promise<number> {
  const counts = await Promise.all(tasks.map((task) => restoreTask(task, around)))
  return counts.reduce((sum, count) => sum + count, 0)
}

async function restoreTask(task: Task, around: RestoreOptions): Promise<number> {
  let records = 0
  for (const changelog of task.stores.changelogs(around.starts.get(task.id))) {
    const [start, last] = await bounds(around.client, changelog)
    const end = Math.min(last, changelog.end ?? last)
    if (changelog.savedOffset > end && changelog.end === undefined) {
      throw new StreamsError(
        'restore-failed',
        `Store '${changelog.store}' was saved up to offset ${changelog.savedOffset}, but its changelog ends at ${end}: the log lost records that the state has. Delete the folder of task ${task.id}; it is restored from the log`,
        { place: { ...changelog, task: task.id } },
      )
    }
    const from = Math.max(changelog.savedOffset, start)
    if (from < end) records += await restoreStore(task, changelog, { from, end }, around)
  }
  return records
}

async function restoreStore(
  task: Task,
  changelog: StoreChangelog,
  range: { readonly from: number; readonly end: number },
  { client, clock }: RestoreOptions,
): Promise<number> {
  const { topic, partition, store } = changelog
  const writer = task.state.restore(store)
  const fetcher = client.fetcher('restore')
  const batches = new CommittedBatches('read-committed')
  const { reader } = batches
  let records = 0
  try {
    let position = range.from
    while (position < range.end) {
      const fetched = await fetchFrom(fetcher, changelog, position)
      batches.start(position, fetched)
      while (batches.next()) {
        while (reader.next()) {
          const { keyRange } = reader
          if (keyRange === null || reader.offset < position || reader.offset >= range.end) continue
          writer.add(keyRange, reader.valueRange, reader.timestamp)
          records++
        }
        if (writer.isFull) await writer.write(Math.min(batches.position, range.end))
      }
      position = batches.position
      // Each database goes on with the next piece of its load.
      await clock.yield()
    }
    await writer.finish(Math.min(position, range.end))
  } catch (error) {
    if (error instanceof StreamsError && error.place.store !== undefined) throw error
    const message = error instanceof Error ? error.message : String(error)
    throw new StreamsError('restore-failed', `Store '${store}' cannot be restored: ${message}`, {
      cause: error,
      place: { topic, partition, task: task.id, store },
    })
  } finally {
    await fetcher.close()
  }
  return records
}

async function fetchFrom(
  fetcher: Fetcher,
  { topic, partition }: TopicPartition,
  offset: number,
): Promise<FetchedPartition> {
  for (;;) {
    const [fetched] = await fetcher.poll([{ topic, partition, offset, maxBytes: FETCH_BYTES }], {
      maxWaitMs: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      isolation: 'read-committed',
    })
    if (fetched?.error === null) return fetched
    if (fetched?.error.kind === 'retry') continue
    throw new StreamsError(fetched?.error.code ?? 'restore-failed', String(fetched?.error.message))
  }
}

async function bounds(client: LogClient, changelog: TopicPartition): Promise<[number, number]> {
  const { topic, partition } = changelog
  const listed = await client.listOffsets(
    [
      { topic, partition, at: 'earliest' },
      { topic, partition, at: 'latest' },
    ],
    'read-uncommitted',
  )
  for (const { error } of listed) {
    if (error === null) continue
    throw new StreamsError('restore-failed', `A changelog cannot be read: ${error.message}`, {
      place: { topic, partition },
    })
  }
  return [listed[0]?.offset ?? 0, listed[1]?.offset ?? 0]
}
