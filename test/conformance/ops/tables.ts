/** Steps of a table. */
import { KTable } from 'millrace'
import { keyFunction } from '../functions.ts'
import { on, type Table, type Translation } from './translation.ts'

export const tables: readonly Translation[] = [
  ...on(KTable, 'toStream', (table: Table, step) => {
    const key = step.optional<string>('key')
    const stream = table.toStream(step.done(step.named()))
    return key === undefined ? stream : stream.selectKey(keyFunction(key))
  }),
]
