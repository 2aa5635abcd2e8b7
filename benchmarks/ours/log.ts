/** The embedded log of a step: opened, used, closed, whatever happens in between. */
import { type EmbeddedLog, embedded } from 'millrace'

export async function withLog<T>(
  directory: string,
  use: (log: EmbeddedLog) => Promise<T>,
): Promise<T> {
  const log = embedded({ directory })
  await log.open()
  try {
    return await use(log)
  } finally {
    await log.close()
  }
}
