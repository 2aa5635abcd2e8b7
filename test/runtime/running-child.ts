/** Runs the counting application until a signal comes; says a line when all there is is processed. */
import { join } from 'node:path'
import { embedded, Streams, StreamsBuilder, text } from 'millrace'

const directory = process.argv[2] as string
const builder = new StreamsBuilder()
builder
  .stream('in', { key: text, value: text })
  .groupBy((_key, value) => value, { name: 'by-value' })
  .count({ store: 'counts', emit: 'updates' })
  .toStream()
  .to('counts')
const app = new Streams(builder.build(), {
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
