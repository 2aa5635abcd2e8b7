/** The steps that run in a process of their own, by the name `main.ts` here is given. */
import { check } from './check.ts'
import { latency } from './latency.ts'
import { load } from './load.ts'
import { logAppend } from './log-append.ts'
import { logRead } from './log-read.ts'
import { buildStore, restore } from './restore.ts'
import { run } from './run.ts'

export interface Steps {
  readonly load: typeof load
  readonly run: typeof run
  readonly check: typeof check
  readonly 'restore-build': typeof buildStore
  readonly restore: typeof restore
  readonly latency: typeof latency
  readonly 'log-append': typeof logAppend
  readonly 'log-read': typeof logRead
}

export const STEPS: Steps = {
  load,
  run,
  check,
  'restore-build': buildStore,
  restore,
  latency,
  'log-append': logAppend,
  'log-read': logRead,
}
