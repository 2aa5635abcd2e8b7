/** Runs the counting application until a signal comes; says a line when all there is is processed. */
import { join } from 'node:path'
import { embedded, Streams } from 'millrace'
import { counting } from './programs.ts'

const directory = process.argv[2] as string
const app = new Streams(counting(), {
  applicationId: 'app',
  log: embedded({ directory }),
  stateDirectory: join(directory, 'state'),
})
await app.start()
while (app.metrics().recordsProcessed < 1000) {
  await new Promise((resolve) => setTimeout(resolve, 5))
}
process.stdout.write('processed\n')
await app.finished
