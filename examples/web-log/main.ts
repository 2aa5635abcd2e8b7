/**
 * The main job: `npm start -- --help`.
 *
 * Reading order: args, ingest (input-file, lines), topology (parse), results, report; job.ts puts
 * them together.
 */
import { HELP, parseArguments, UsageError } from './args.ts'
import { Interrupted, runJob } from './job.ts'
import { progressOn } from './progress.ts'

const DONE = 0
const FAILED = 1
const MISUSE = 2

/** Of a process that was asked to stop before it was done. */
const INTERRUPTED = 130

async function main(argv: readonly string[]): Promise<number> {
  const stop = new AbortController()
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(INTERRUPTED)
    stop.abort()
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  try {
    const args = parseArguments(argv)
    process.stdout.write(
      args === 'help' ? HELP : await runJob(args, progressOn(process.stderr), stop.signal),
    )
    return DONE
  } catch (error) {
    const misuse = error instanceof UsageError
    const hint = misuse ? '\nnpm start -- --help shows the options\n' : '\n'
    process.stderr.write(`web-log: ${error instanceof Error ? error.message : error}${hint}`)
    if (error instanceof Interrupted) return INTERRUPTED
    return misuse ? MISUSE : FAILED
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

process.exitCode = await main(process.argv.slice(2))
