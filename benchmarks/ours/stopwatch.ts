/** Time and CPU from `start` to `stop`, as figures of a run. */
import type { Figures } from '../figures.ts'
import { cpuSeconds, machineBusySeconds, peakMemoryMiB } from './process-figures.ts'

type Named = Pick<Figures, 'workload' | 'guarantee' | 'records' | 'startSeconds'>

export class Stopwatch {
  #startedMs = 0
  #startedCpu = 0
  #startedBusy = 0
  #seconds = 0
  #cpu = 0
  #others = 0

  start(): void {
    this.#startedBusy = machineBusySeconds()
    this.#startedCpu = cpuSeconds()
    this.#startedMs = performance.now()
  }

  stop(): void {
    this.#seconds = (performance.now() - this.#startedMs) / 1000
    this.#cpu = cpuSeconds() - this.#startedCpu
    this.#others = machineBusySeconds() - this.#startedBusy - this.#cpu
  }

  get seconds(): number {
    return this.#seconds
  }

  figures(named: Named, latency: Figures['latency'] = null): Figures {
    return {
      engine: 'millrace',
      ...named,
      seconds: this.#seconds,
      recordsPerSecond: named.records / this.#seconds,
      cpuSecondsPerMillion: (this.#cpu * 1e6) / named.records,
      brokerCpuSecondsPerMillion: 0,
      peakMemoryMiB: peakMemoryMiB(),
      brokerMemoryMiB: 0,
      otherBusyCores: Math.max(0, this.#others / this.#seconds),
      latency,
    }
  }
}
