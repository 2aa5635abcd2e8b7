/** From a stream to groups, and from groups to windows of them. */
import {
  type AlignedWindows,
  hopping,
  KGroupedStream,
  KStream,
  SessionWindowedKStream,
  type SessionWindows,
  session,
  sliding,
  TimeWindowedKStream,
  tumbling,
  unlimited,
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
    step.take('type') === 'session'
      ? grouped.windowedBy(sessionWindows(step))
      : grouped.windowedBy(timeWindows(step)),
  ),
  ...[TimeWindowedKStream, SessionWindowedKStream].flatMap((kind) =>
    on<object>(kind, 'emitStrategy', (windowed, step, context) => {
      if (step.take('strategy') === 'onWindowClose') context.emitOnClose(step.id)
      step.done()
      return windowed
    }),
  ),
]

/** The windows that a step describes, but for sessions. */
export function timeWindows(step: Options): AlignedWindows {
  const type = step.take('type')
  const size = step.take('sizeMs') as number
  const grace = step.optional<number>('graceMs') ?? 0
  const advance = step.optional<number>('advanceMs')
  const start = step.optional<number>('startMs') ?? 0
  step.done()
  switch (type) {
    case 'tumbling':
      return tumbling(size, { grace })
    case 'hopping':
      return advance === undefined ? tumbling(size, { grace }) : hopping(size, { advance, grace })
    case 'sliding':
      return sliding(size, { grace })
    case 'unlimited':
      return unlimited({ start })
  }
  throw new Unsupported(`${type} windows`)
}

/** The sessions that a step describes. */
export function sessionWindows(step: Options): SessionWindows {
  step.take('type')
  const gap = step.take('gapMs') as number
  const grace = step.optional<number>('graceMs') ?? 0
  step.done()
  return session(gap, { grace })
}
