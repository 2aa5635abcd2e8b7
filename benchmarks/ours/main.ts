/** One step in this process: `ours/main.ts STEP JSON`. The last line of the output is its result. */
import { STEPS, type Steps } from './steps.ts'

const [name, input] = process.argv.slice(2) as [keyof Steps, string]
const step = STEPS[name] as (input: unknown) => Promise<unknown>
console.log(JSON.stringify(await step(JSON.parse(input))))
