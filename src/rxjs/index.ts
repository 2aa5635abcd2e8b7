/** RxJS at the edges of an application: `import { ... } from 'millrace/rxjs'`. */

export { changelogTopic, fromTable, type TableChange } from './from-table.ts'
export {
  type ConsumerSource,
  type Flow,
  type FromTopicOptions,
  fromTopic,
} from './from-topic.ts'
export { stateOf } from './state-of.ts'
export { type ObservedRecord, type RecordSink, type ToTopicOptions, toTopic } from './to-topic.ts'
