import { embedded, json, Streams, StreamsBuilder, text, tumbling } from 'millrace'

interface View {
  readonly page: string
}

// The program, as data: how often each page is read in each minute.
const builder = new StreamsBuilder()
builder
  .stream('page-views', { key: text, value: json<View>() })
  .groupBy((_user, view) => view.page)
  .windowedBy(tumbling('1m', { grace: '10s' }))
  .count({ store: 'views-per-page' })
  .toStream()
  .peek(({ key, start }, views) => console.log(new Date(start).toISOString(), key, views))
  .to('views-per-minute')

// The log: a folder. There is nothing to install or to start beside this process.
const log = embedded({ directory: './data/log' })
await log.admin.createTopics([
  { topic: 'page-views', partitions: 4 },
  { topic: 'views-per-minute', partitions: 4 },
])
const producer = log.producer({ key: text, value: json<View>() })
await producer.sendMany([
  { topic: 'page-views', key: 'ann', value: { page: '/' } },
  { topic: 'page-views', key: 'bob', value: { page: '/' } },
  { topic: 'page-views', key: 'ann', value: { page: '/docs' } },
])
await producer.close()

// The application: exactly-once is the default. `until: 'end'` stops when all input is processed.
const app = new Streams(builder.build(), {
  applicationId: 'page-views',
  log,
  stateDirectory: './data/state',
  until: 'end',
})
await app.start()
await app.finished
await log.shutdown()
