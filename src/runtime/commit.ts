/**
 * Commit: the atomic step of a stream thread, for all of its tasks at once.
 *
 * Between two commits everything an application does is provisional; a commit makes output, state
 * and position true together. Called between records, never while one is being processed.
 *
 *   1. flush       operators wait for calls in flight and hand on what they held back; it reaches
 *                  sinks and other stores
 *   2. drain       every changed row goes into its changelog batch
 *   3. send        all batches are sent and acknowledged
 *   4. offsets     the positions of the source partitions: in the transaction (exactly-once), or
 *                  committed as they are (at-least-once)
 *   5. end         the transaction commits: from here on it happened   (exactly-once only)
 *   6. save        when due: committed rows, with how far in the changelog they go, are handed to
 *                  each task's database as one batch, which is written while records are processed
 *                  again; the next commit waits for it
 *
 * What a crash leaves, by the step it came after:
 * - 0 to 4, exactly-once: an open transaction, aborted by the next start. Nothing happened.
 * - 0 to 4, at-least-once: output and changelog records beyond the committed positions; the source
 *   records are processed again on top of a state that has seen some of them.
 * - 5, or within 6: everything happened; the database is behind its changelog, as it was before the
 *   batch, and is restored from it.
 *
 * Invariants:
 * - The database never holds a row whose changelog record is not committed.
 * - The batch for the database is made right after step 5, before new rows change (steps 5 and 6
 *   stay together), so a row's bytes there are those that the changelog has.
 */
import type { LogClient } from '../client/client.ts'
import { StreamsError } from '../errors.ts'
import type { Output } from './output.ts'
import type { Task } from './task.ts'

export const COMMIT_STEPS = ['flush', 'drain', 'send', 'offsets', 'end', 'save'] as const
export type CommitStep = (typeof COMMIT_STEPS)[number]

export interface CommitOptions {
  readonly client: LogClient
  readonly output: Output
  readonly tasks: readonly Task[]
  readonly groupId: string
  /** null: at-least-once. */
  readonly transactionalId: string | null
  readonly saves: boolean
  /** Called after each step; a test throws from it to crash there. */
  readonly afterStep?: ((step: CommitStep) => void) | undefined
}

export interface CommitResult {
  /** False when there was nothing to commit. */
  readonly hasCommitted: boolean
  /** Settles when the databases have been written; null when that was not due. */
  readonly saved: Promise<unknown> | null
}

/** Commits. */
export async function commit(options: CommitOptions): Promise<CommitResult> {
  const { client, output, tasks, transactionalId, afterStep } = options
  const group = { groupId: options.groupId, generation: -1, memberId: '' }

  // 1. flush
  for (const task of tasks) await task.flush()
  afterStep?.('flush')

  // 2. drain
  for (const task of tasks) task.stores.drain()
  afterStep?.('drain')

  const offsets = tasks.flatMap((task) => task.committableOffsets())
  const hasOutput = output.hasUncommitted
  if (offsets.length > 0 || hasOutput) {
    // 3. send
    await output.flush()
    afterStep?.('send')

    if (transactionalId === null) {
      // 4. offsets
      for (const { error, topic, partition } of await client.commitOffsets(group, offsets)) {
        if (error === null) continue
        const place = { topic, partition, group: group.groupId }
        throw new StreamsError(error.code, `Offset not committed: ${error.message}`, { place })
      }
      afterStep?.('offsets')
      output.committed(output.identity)
    } else {
      // 4. offsets
      await client.transactions.commitOffsets(transactionalId, output.identity, group, offsets)
      afterStep?.('offsets')
      // 5. end
      output.committed(await client.transactions.end(transactionalId, output.identity, 'commit'))
    }
    afterStep?.('end')
    for (const task of tasks) task.offsetsCommitted()
  }

  // 6. save
  const saved = options.saves ? Promise.all(tasks.map((task) => task.save())) : null
  if (saved !== null && afterStep !== undefined) {
    await saved
    afterStep('save')
  }
  return { hasCommitted: offsets.length > 0 || hasOutput, saved }
}
