/** Sources: `stream`, `table`. */
import { Unsupported } from '../case.ts'
import { SERDES, type Translation } from './translation.ts'

export const sources: readonly Translation[] = [
  {
    op: 'stream',
    translate(step, context) {
      const pattern = step.optional<string>('pattern')
      const named = step.optional<string | string[]>('topic') ?? step.optional<string[]>('topics')
      const topic = pattern === undefined ? named : new RegExp(`^(?:${pattern})$`, 'u')
      if (topic === undefined) throw new Unsupported('a source without topic')
      const options = { ...context.source(step), ...SERDES, ...step.named() }
      return context.builder.stream(topic, step.done(options))
    },
  },
  {
    op: 'table',
    translate(step, context) {
      const topic = step.take('topic') as string
      const store = context.store(step, 'key-value')
      const options = { ...context.source(step), ...SERDES, ...step.named(), store }
      return context.builder.table(topic, step.done(options))
    },
  },
  {
    op: 'globalTable',
    translate(step, context) {
      const topic = step.take('topic') as string
      const store = context.store(step, 'key-value')
      const { timestamp } = context.source(step)
      const options = { ...SERDES, ...step.named(), timestamp, store }
      return context.builder.globalTable(topic, step.done(options))
    },
  },
]
