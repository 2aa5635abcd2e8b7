/**
 * Runs the counting application over real files, and dies by SIGKILL right after a step of a commit:
 * `commit-crash-child.ts <directory> <guarantee> <step> <which commit>`.
 */
import { join } from 'node:path'
import { embedded, type Guarantee } from 'millrace'
import { openApplication } from '../../src/runtime/application.ts'
import { Metrics } from '../../src/runtime/metrics.ts'
import { checkOptions } from '../../src/runtime/options.ts'
import { counting } from './programs.ts'

const [directory = '', guarantee, step, which] = process.argv.slice(2)
let reached = 0
const options = checkOptions({
  applicationId: 'app',
  log: embedded({ directory }),
  guarantee: guarantee as Guarantee,
  stateDirectory: join(directory, 'state'),
  commitInterval: 0,
  saveInterval: 0,
  until: 'end',
})
const application = await openApplication(counting(), options, {
  metrics: new Metrics(),
  afterCommitStep(name) {
    if (name === step && ++reached === Number(which)) process.kill(process.pid, 'SIGKILL')
  },
})
await application.thread.run()
await application.close()
