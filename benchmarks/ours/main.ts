/** One step in this process: `ours/main.ts STEP JSON`. The last line of the output is its result. */
import { STEPS, type Steps } from './steps.ts'

const [name, input] = process.argv.slice(2) as [keyof Steps, string]
const step = STEPS[name] as (input: unknown) => Promise<unknown>
// A step may wait for a poll of the log, whose timers do not keep a process alive.
const alive = setInterval(() => {}, 1000)
console.log(JSON.stringify(await step(JSON.parse(input)).finally(() => clearInterval(alive))))
