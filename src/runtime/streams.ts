/**
 * Streams: an application, from a topology and a log to running tasks and back to rest.
 *
 * Invariant: `state` moves only along created -> starting -> running -> stopping -> stopped, or to
 * failed from any but stopped; `finished` settles when it stops moving.
 */
import { holdProcess } from '../clock.ts'
import { StreamsError } from '../errors.ts'
import type { Topology } from '../topology/topology.ts'
import { type Application, openApplication } from './application.ts'
import { Metrics, type StreamsMetrics } from './metrics.ts'
import { type CheckedOptions, checkOptions, type StreamsOptions } from './options.ts'
import type { StateComparison } from './state-comparison.ts'

/** Where an application is in its life. */
export type StreamsState = 'created' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed'

/**
 * An application: runs a topology on a log.
 *
 * @example
 * ```ts
 * const app = new Streams(builder.build(), {
 *   applicationId: 'web-stats',
 *   log: embedded({ directory: './data' }),
 * })
 * const stop = app.onStateChange((state) => console.log('now', state))
 * await app.start()
 * console.log(app.state, app.metrics().recordsProcessed)
 * await app.close()
 * await app.finished
 * stop()
 * ```
 * @see org.apache.kafka.streams.KafkaStreams
 */
export class Streams {
  /**
   * Resolves when the application has stopped: at the end with `until: 'end'`, after `close()`, or
   * after a signal. Rejects with the error that made it fail.
   */
  readonly finished: Promise<void>

  readonly #topology: Topology
  readonly #options: CheckedOptions
  readonly #metrics = new Metrics()
  readonly #listeners = new Set<(state: StreamsState, before: StreamsState) => void>()
  readonly #settle: { resolve: () => void; reject: (error: unknown) => void }
  #state: StreamsState = 'created'
  #application: Application | null = null
  #comparison: StateComparison | null = null
  #isClosing = false

  /**
   * @param topology what `StreamsBuilder.build()` returned
   * @throws TypeError or RangeError naming the option that is wrong
   */
  constructor(topology: Topology, options: StreamsOptions) {
    this.#topology = topology
    this.#options = checkOptions(options)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.finished = promise
    this.#settle = { resolve, reject }
    promise.catch(() => {})
  }

  /** Where it is in its life. */
  get state(): StreamsState {
    return this.#state
  }

  /** Calls `listener` at each change of state; the returned function ends that. */
  onStateChange(listener: (state: StreamsState, before: StreamsState) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /**
   * What `start` found of the state that earlier starts left behind: the stores and repartition topics
   * that are kept, new, gone, and incompatible, each with what is to be known of it. Null until then;
   * also there when the start has failed because of what is incompatible.
   *
   * @see docs/changing-a-topology.md
   * @example
   * ```ts
   * await app.start()
   * for (const { kind, name, reason } of app.stateComparison()?.gone ?? []) {
   *   console.log(`${kind} ${name} is not needed any more`, reason ?? '')
   * }
   * ```
   */
  stateComparison(): StateComparison | null {
    return this.#comparison
  }

  /** What the application has counted so far. */
  metrics(): StreamsMetrics {
    let storeBytes = 0
    let queuedBytes = 0
    let streamTime = -1
    for (const task of this.#application?.tasks ?? []) {
      storeBytes += task.stores.bufferedBytes()
      streamTime = Math.max(streamTime, task.streamTime)
      for (const queue of task.queues) queuedBytes += queue.bufferedBytes
    }
    return this.#metrics.snapshot({ storeBytes, queuedBytes, streamTime })
  }

  /**
   * Starts; resolves when state is restored and records flow.
   *
   * @throws StreamsError when topics, state or log do not allow it; the application is then failed.
   * 'state-incompatible' when an edited topology does not fit the rows it left behind
   */
  async start(): Promise<void> {
    if (this.#state !== 'created') {
      throw new StreamsError(
        'streams-state-invalid',
        `An application starts once; this one is ${this.#state}. Make a new Streams`,
      )
    }
    this.#move('starting')
    const letGo = holdProcess()
    this.finished.finally(letGo).catch(() => {})
    try {
      const metrics = this.#metrics
      this.#application = await openApplication(this.#topology, this.#options, {
        metrics,
        onCompared: (comparison) => {
          this.#comparison = comparison
        },
      })
      if (this.#isClosing) this.#application.thread.stop()
      this.#move('running')
      this.#run(this.#application)
    } catch (error) {
      await this.#fail(error)
      throw error
    }
  }

  /** Commits what is processed, closes the stores and resolves when done. */
  async close(): Promise<void> {
    if (this.#state === 'created') {
      this.#move('stopped')
      this.#settle.resolve()
    }
    this.#isClosing = true
    this.#application?.thread.stop()
    await this.finished.catch(() => {})
  }

  #run({ thread }: Application): void {
    const stopOnSignal = () => void this.close()
    if (this.#options.handleSignals) {
      process.once('SIGINT', stopOnSignal)
      process.once('SIGTERM', stopOnSignal)
    }
    thread
      .run()
      .then(() => this.#stop())
      .catch((error) => this.#fail(error))
      .finally(() => {
        process.off('SIGINT', stopOnSignal)
        process.off('SIGTERM', stopOnSignal)
      })
  }

  async #stop(): Promise<void> {
    this.#move('stopping')
    await this.#application?.close()
    this.#move('stopped')
    this.#settle.resolve()
  }

  /** Leaves everything as the last commit left it. */
  async #fail(error: unknown): Promise<void> {
    await this.#application?.abort().catch(() => {})
    await this.#application?.close().catch(() => {})
    this.#move('failed')
    this.#settle.reject(error)
  }

  #move(state: StreamsState): void {
    const before = this.#state
    this.#state = state
    for (const listener of this.#listeners) listener(state, before)
  }
}
