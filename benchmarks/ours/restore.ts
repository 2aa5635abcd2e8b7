/**
 * Restore: a store of 16-byte keys and 100-byte values is built and its state folder removed; the
 * measured step starts the application again and is over when the store is back.
 */
import { join } from 'node:path'
import { Streams } from 'millrace'
import type { LogClient } from '../../src/client/client.ts'
import type { Figures } from '../figures.ts'
import { RESTORE_INPUT, restoreTopology } from '../workloads/restore.ts'
import { withLog } from './log.ts'
import type { AppInput } from './run.ts'
import { Stopwatch } from './stopwatch.ts'
import { createTopic, TopicWriter } from './topic-writer.ts'

const VALUE_BYTES = 100

export interface RestoreInput extends AppInput {
  readonly keys: number
}

/** Writes the keys and runs the application over them once. */
export function buildStore(input: RestoreInput): Promise<{ readonly keys: number }> {
  return withLog(join(input.directory, 'log'), async (log) => {
    await createTopic(log, RESTORE_INPUT)
    await writeKeys(new TopicWriter(log, RESTORE_INPUT), input.keys)
    const app = application(log, input)
    await app.start()
    await app.finished
    return { keys: input.keys }
  })
}

/** Starts with an empty state folder. The figures are those of the restoration alone. */
export function restore(input: RestoreInput): Promise<Figures> {
  const { guarantee, keys } = input
  return withLog(join(input.directory, 'log'), async (log) => {
    const app = application(log, input)
    const stopwatch = new Stopwatch()
    stopwatch.start()
    await app.start()
    stopwatch.stop()
    await app.finished
    const { recordsRestored, restoreMs } = app.metrics()
    if (recordsRestored < keys) throw new Error(`restored ${recordsRestored} of ${keys} keys`)
    const startSeconds = stopwatch.seconds - restoreMs / 1000
    const figures = stopwatch.figures({
      workload: 'restore',
      guarantee,
      records: keys,
      startSeconds,
    })
    const seconds = restoreMs / 1000
    return { ...figures, seconds, recordsPerSecond: keys / seconds }
  })
}

function application(log: LogClient, input: RestoreInput): Streams {
  return new Streams(restoreTopology(), {
    applicationId: 'bench-restore',
    log,
    guarantee: input.guarantee,
    commitInterval: input.commitIntervalMs,
    stateDirectory: join(input.directory, 'state'),
    until: 'end',
  })
}

async function writeKeys(writer: TopicWriter, keys: number): Promise<void> {
  const nextValue = randomValues()
  for (let index = 0; index < keys; index++) {
    const key = Buffer.from(`key-${String(index).padStart(12, '0')}`)
    const keyRange = { bytes: key, start: 0, end: key.length }
    const valueRange = { bytes: nextValue(), start: 0, end: VALUE_BYTES }
    const sent = writer.write(keyRange, valueRange, Date.now())
    if (sent !== undefined) await sent
  }
  await writer.flush()
}

/** The same values every time: xorshift32 from 7, its lowest byte. The buffer is reused. */
function randomValues(): () => Buffer {
  const value = Buffer.alloc(VALUE_BYTES)
  let state = 7
  return () => {
    for (let index = 0; index < VALUE_BYTES; index++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      value[index] = state & 0xff
    }
    return value
  }
}
