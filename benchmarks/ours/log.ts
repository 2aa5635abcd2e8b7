/** The embedded log of a step: opened, used, closed, whatever happens in between. */
import { type EmbeddedLog, embedded } from 'millrace'

/** The generated records are of a fixed day, so nothing may be deleted for its age. */
const KEEP_FOR_EVER = { 'retention.ms': '-1' }

export async function withLog<T>(
  directory: string,
  use: (log: EmbeddedLog) => Promise<T>,
): Promise<T> {
  const log = embedded({ directory, topicDefaults: KEEP_FOR_EVER })
  await log.open()
  try {
    return await use(log)
  } finally {
    await log.shutdown()
  }
}
