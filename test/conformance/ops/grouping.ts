/** From a stream to groups, and from groups to windows of them. */
import {
  hopping,
  KGroupedStream,
  KStream,
  TimeWindowedKStream,
  type TimeWindows,
  tumbling,
} from 'millrace'
import { Unsupported } from '../case.ts'
import { keyFunction } from '../functions.ts'
import {
  type Grouped,
  type Options,
  on,
  SERDES,
  type Stream,
  type Translation,
} from './translation.ts'

export const grouping: readonly Translation[] = [
  ...on(KStream, 'groupByKey', (stream: Stream, step) =>
    stream.groupByKey(step.done({ ...SERDES, ...step.named() })),
  ),
  ...on(KStream, 'groupBy', (stream: Stream, step) => {
    const key = step.function(keyFunction, 'key')
    return stream.groupBy(key, step.done({ ...SERDES, ...step.named() }))
  }),
  ...on(KGroupedStream, 'windowedBy', (grouped: Grouped, step) =>
    grouped.windowedBy(timeWindows(step)),
  ),
  ...on(TimeWindowedKStream, 'emitStrategy', (windowed, step, context) => {
    if (step.take('strategy') === 'onWindowClose') context.emitOnClose(step.id)
    step.done()
    return windowed
  }),
]

/** The windows that a step describes. */
export function timeWindows(step: Options): TimeWindows {
  const type = step.take('type')
  if (type !== 'tumbling' && type !== 'hopping') throw new Unsupported(`${type} windows`)
  const size = step.take('sizeMs') as number
  const grace = step.optional<number>('graceMs') ?? 0
  const advance = step.optional<number>('advanceMs')
  step.done()
  return type === 'tumbling' || advance === undefined
    ? tumbling(size, { grace })
    : hopping(size, { advance, grace })
}
