/** Suppression of tables. */
import { KTable, untilTimeLimit, untilWindowCloses } from 'millrace'
import { valueSerde } from '../serdes.ts'
import { viewThrough } from '../suppression-defects.ts'
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
    const options = { ...step.named(), value: valueSerde }
    if (!context.hasDefects) return table.suppress(suppressed as never, step.done(options))
    table.view.keepBefore()
    const { place, view } = table.suppress(suppressed as never, step.done(options))
    const held = context.holdsBack(place.node)
    return new KTable(place, viewThrough(view as never, table.view as never, held) as never)
  },
)
