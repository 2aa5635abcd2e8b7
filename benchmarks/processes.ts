/**
 * Child processes of a benchmark: started one at a time, waited for, and never left behind.
 *
 * Invariant: a child is stopped by its own process id, and only while it is ours and alive.
 */
import { type ChildProcess, spawn } from 'node:child_process'

/** What is kept of a child's error output for the report of its failure. */
const ERROR_TEXT_LENGTH = 4000

const alive = new Set<ChildProcess>()

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>
  /** Called with each line of standard output as it comes. */
  readonly onLine?: (line: string) => void
}

/** A started child: its id, and the promise of its standard output. */
export interface Running {
  readonly pid: number
  readonly output: Promise<string>
  stop(): void
}

/** Starts a program; `output` rejects with the end of its error text when it fails. */
export function start(command: string, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
  })
  alive.add(child)
  let stopped = false
  let output = ''
  let pending = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    const lines = (pending + text).split('\n')
    pending = lines.pop()!
    if (options.onLine !== undefined) for (const line of lines) options.onLine(line)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-ERROR_TEXT_LENGTH)
  })
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', (error) => {
      alive.delete(child)
      reject(error)
    })
    child.on('close', (code, signal) => {
      alive.delete(child)
      if (code === 0 || stopped) return resolve(output)
      const what = [command, ...args].join(' ')
      reject(new Error(`${what} ended with ${code ?? signal}\n${errors || output.slice(-500)}`))
    })
  })
  return {
    pid: child.pid ?? 0,
    output: ended,
    stop: () => {
      stopped = true
      child.kill()
    },
  }
}

export function run(
  command: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> {
  return start(command, args, options).output
}

/** The last line of a program's output, as JSON. */
export async function runForJson<T>(
  command: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<T> {
  const output = await run(command, args, options)
  const line = output.trimEnd().split('\n').at(-1)!
  return JSON.parse(line) as T
}

/** Stops what still runs; for an interrupted benchmark. */
export function stopAll(): void {
  for (const child of alive) child.kill()
}
