/** A Java program that listens on ports of this machine, and nothing else of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** Three JVMs at once on a busy machine of two cores took two minutes. */
const START_MS = 300_000
const STOP_MS = 30_000
const LOOK_MS = 50
const LINES_SHOWN = 30
/** Small and quick to start: tests wait for it more often than they load it. */
const JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.awt.headless=true']

export interface JavaProgram {
  readonly classPath: string
  /** Main class and arguments. */
  readonly command: readonly string[]
  readonly heapMb: number
  /** It has started when this port takes connections. */
  readonly port: number
  readonly logFile: string
}

export class JavaProcess {
  readonly #program: JavaProgram
  #process: ChildProcess | null = null

  constructor(program: JavaProgram) {
    this.#program = program
  }

  /** Starts it and waits until it takes connections. */
  async start(): Promise<void> {
    const { classPath, command, heapMb, port, logFile } = this.#program
    const log = openSync(logFile, 'a')
    const heap = [`-Xms${heapMb}m`, `-Xmx${heapMb}m`]
    const child = spawn('java', [...heap, ...JVM, '-cp', classPath, ...command], {
      stdio: ['ignore', log, log],
    })
    this.#process = child
    child.once('exit', () => {
      if (this.#process === child) this.#process = null
    })
    const deadline = Date.now() + START_MS
    while (!(await takesConnections(port))) {
      if (this.#process === null || Date.now() > deadline) {
        const text = readFileSync(logFile, 'utf8').split('\n').slice(-LINES_SHOWN).join('\n')
        throw new Error(`${command[0]} did not start:\n${text}`)
      }
      await wait(LOOK_MS)
    }
  }

  /** Resolves when the process is gone; one that does not go by itself is killed. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process
    if (child === null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill(signal)
    const late = wait(STOP_MS, 'late', { ref: false })
    if ((await Promise.race([gone, late])) === 'late') {
      child.kill('SIGKILL')
      await gone
    }
  }

  /** Keeps the process from running, so that its sockets stay open and are silent; or lets it go on. */
  freeze(isFrozen: boolean): void {
    this.#process?.kill(isFrozen ? 'SIGSTOP' : 'SIGCONT')
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, 'localhost', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: 'localhost', port })
    const done = (isOpen: boolean) => () => {
      socket.destroy()
      resolve(isOpen)
    }
    socket.once('connect', done(true)).once('error', done(false))
  })
}
