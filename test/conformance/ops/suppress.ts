/** Suppression of tables. */
import { KTable, untilTimeLimit, untilWindowCloses } from 'millrace'
import { valueSerde } from '../serdes.ts'
import { on, type Table, type Translation } from './translation.ts'

export const suppressions: readonly Translation[] = on(
  KTable,
  'suppress',
  (table: Table, step, context) => {
    const bounds = {
      maxRecords: step.optional<number>('maxRecords'),
      maxBytes: step.optional<number>('maxBytes'),
    }
    const stops = step.take('onFull') === 'shutDownWhenFull'
    const suppressed =
      step.take('until') === 'windowCloses'
        ? untilWindowCloses({ ...bounds, whenFull: 'stop' })
        : untilTimeLimit(step.take('limitMs') as number, {
            ...bounds,
            whenFull: stops ? 'stop' : 'emit',
          })
    if (context.hasDefects) table.view.keepBefore()
    const options = { ...step.named(), value: valueSerde }
    return table.suppress(suppressed as never, step.done(options))
  },
)
