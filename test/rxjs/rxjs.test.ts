/** Topics, tables and applications as Observables, and Observables as sources. */
import { setTimeout as wait } from 'node:timers/promises'
import { type EmbeddedLog, embedded, int64, Streams, StreamsBuilder, text } from 'millrace'
import {
  changelogTopic,
  fromTable,
  fromTopic,
  stateOf,
  type TableChange,
  toTopic,
} from 'millrace/rxjs'
import {
  concatMap,
  EMPTY,
  firstValueFrom,
  from,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  range,
  Subject,
  take,
  tap,
  throwError,
  toArray,
} from 'rxjs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const serdes = { key: text, value: text }
let log: EmbeddedLog

beforeEach(async () => {
  log = embedded()
  await log.open()
  await log.admin.createTopics([
    { topic: 'in', partitions: 1 },
    { topic: 'out', partitions: 1 },
  ])
})

afterEach(() => log.shutdown())

async function write(count: number, start = 0): Promise<void> {
  await using producer = log.producer()
  const records = Array.from({ length: count }, (_, at) => String(start + at))
  await producer.sendMany(records.map((value) => ({ topic: 'in', key: 'k', value })))
}

describe('fromTopic', () => {
  test('gives what is there and then what comes, for each subscriber anew', async () => {
    await write(3)
    const values = fromTopic(log, 'in', serdes).pipe(
      map(({ offset, value }) => `${offset}=${value}`),
    )
    const five = lastValueFrom(values.pipe(take(5), toArray()))
    await wait(10)
    await write(3, 3)
    expect(await five).toEqual(['0=0', '1=1', '2=2', '3=3', '4=4'])
    expect(await lastValueFrom(values.pipe(take(2), toArray()))).toEqual(['0=0', '1=1'])
  })

  test('from the latest offset gives only what comes', async () => {
    await write(3)
    const next = firstValueFrom(fromTopic(log, 'in', { ...serdes, from: 'latest' }))
    await wait(30)
    await write(1, 7)
    expect(await next).toMatchObject({ offset: 3, value: '7' })
  })

  test('hands out no more than the flow allows, however slow the subscriber is', async () => {
    await write(200)
    const done = new Subject<unknown>()
    let taken = 0
    let worked = 0
    let most = 0
    await lastValueFrom(
      fromTopic(log, 'in', { ...serdes, flow: { max: 5, done } }).pipe(
        tap(() => {
          most = Math.max(most, ++taken - worked)
        }),
        mergeMap(async ({ value }) => {
          await wait(Math.random() * 2)
          return value
        }, 3),
        tap(() => {
          worked++
          done.next(null)
        }),
        take(200),
      ),
    )
    expect(most).toBe(5)
  })

  test('of a group commits what is done: the rest comes again', async () => {
    await write(10)
    const done = new Subject<unknown>()
    const options = { ...serdes, group: 'readers', flow: { max: 10, done } }
    const first: (string | null)[] = []
    const subscription = fromTopic(log, 'in', options).subscribe(({ value }) => {
      first.push(value)
      if (first.length <= 4) done.next(null)
    })
    while (first.length < 10) await wait(5)
    subscription.unsubscribe()
    const again = lastValueFrom(
      fromTopic(log, 'in', { ...options, flow: { max: 10, done: NEVER } }).pipe(
        map(({ value }) => value),
        take(10),
        toArray(),
      ),
    )
    expect(await again).toEqual(first)
  })

  test('of a group goes on where all was done', async () => {
    await write(4)
    const seen = fromTopic(log, 'in', { ...serdes, group: 'g' }).pipe(map(({ value }) => value))
    const values: (string | null)[] = []
    const subscription = seen.subscribe((value) => values.push(value))
    while (values.length < 4) await wait(5)
    await write(1, 4)
    while (values.length < 5) await wait(5)
    subscription.unsubscribe()
    await wait(50)
    const partitions = [{ topic: 'in', partition: 0 }]
    const [committed] = await log.fetchOffsets('g', partitions, { requireStable: false })
    expect(committed?.offset).toBe(5)
  })

  test('fails with the error of the log', async () => {
    const read = firstValueFrom(fromTopic(log, 'nowhere', serdes))
    await expect(read).rejects.toMatchObject({ code: 'topic-not-found' })
  })

  test('fails when its flow does', async () => {
    await write(1)
    const flow = { max: 1, done: throwError(() => new Error('no more')) }
    await expect(lastValueFrom(fromTopic(log, 'in', { ...serdes, flow }))).rejects.toThrow(
      'no more',
    )
  })

  test('refuses a flow without room', () => {
    expect(() => fromTopic(log, 'in', { flow: { max: 0, done: EMPTY } })).toThrow(
      new RangeError(`flow.max of fromTopic('in') is 0; pass a whole number from 1`),
    )
  })
})

test('fromTable gives the changes of a table, from its output and from its changelog', async () => {
  const builder = new StreamsBuilder()
  builder
    .stream('in', serdes)
    .filter((_key, value) => value !== 'x')
    .groupByKey({ value: text })
    .count({ store: 'counts', emit: 'updates' })
    .toStream()
    .to('out', { value: int64 })
  const app = new Streams(builder.build(), {
    applicationId: 'app',
    log,
    storage: 'memory',
    until: 'end',
  })
  await write(3)
  const states = lastValueFrom(stateOf(app).pipe(toArray()))
  await app.start()
  await app.finished
  expect(await states).toEqual(['created', 'starting', 'running', 'stopping', 'stopped'])
  const rows = { key: text, value: int64 }
  const last = (change: TableChange<string, number>): unknown => [change.key, change.value]
  const out = fromTable(log, 'out', rows).pipe(map(last), take(3), toArray())
  expect(await lastValueFrom(out)).toEqual([
    ['k', 1],
    ['k', 2],
    ['k', 3],
  ])
  const changelog = fromTable(log, changelogTopic('app', 'counts'), rows).pipe(map(last))
  expect(await firstValueFrom(changelog)).toEqual(['k', 3])
})

describe('stateOf', () => {
  test('fails with the error of the application', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', serdes).foreach(() => {
      throw new Error('broken')
    })
    const app = new Streams(builder.build(), { applicationId: 'a', log, storage: 'memory' })
    const states: string[] = []
    const end = new Promise((resolve) => {
      stateOf(app).subscribe({ next: (state) => states.push(state), error: resolve })
    })
    await app.start()
    await write(1)
    expect(await end).toMatchObject({ code: 'processing-failed' })
    expect(states).toEqual(['created', 'starting', 'running', 'failed'])
  })
})

describe('toTopic', () => {
  const values = (count: number) => range(count).pipe(map((value) => ({ value: String(value) })))

  test('writes in order, and resolves when all is acknowledged', async () => {
    await using producer = log.producer()
    expect(await toTopic(values(2500), producer, 'in')).toBe(2500)
    const read = fromTopic(log, 'in', serdes).pipe(
      map(({ value }) => Number(value)),
      take(2500),
      toArray(),
    )
    expect(await lastValueFrom(read)).toEqual(Array.from({ length: 2500 }, (_, at) => at))
  })

  test('has no more in flight than it may, and fails when the buffer is full', async () => {
    let most = 0
    let inFlight = 0
    const slow = {
      send: async () => {
        most = Math.max(most, ++inFlight)
        await wait(1)
        return inFlight--
      },
    }
    expect(await toTopic(values(20), slow, 'in', { inFlight: 4, buffer: 16 })).toBe(20)
    expect(most).toBe(4)
    const tooMany = toTopic(values(1_000_000_000), slow, 'in', { inFlight: 4, buffer: 10 })
    await expect(tooMany).rejects.toMatchObject({
      code: 'observable-buffer-full',
      place: { topic: 'in' },
    })
    expect(inFlight).toBe(0)
  })

  test('fails with the error of the source, or of a send, when nothing is in flight any more', async () => {
    await using producer = log.producer()
    const failing = from([1, 2, 3]).pipe(
      concatMap((value) =>
        value === 3 ? throwError(() => new Error('source')) : [{ value: `${value}` }],
      ),
    )
    await expect(toTopic(failing, producer, 'in')).rejects.toThrow('source')
    await expect(toTopic(values(3), producer, 'nowhere')).rejects.toMatchObject({
      code: 'topic-not-found',
    })
    const read = fromTopic(log, 'in', serdes).pipe(
      map(({ value }) => value),
      take(2),
      toArray(),
    )
    expect(await lastValueFrom(read)).toEqual(['1', '2'])
  })

  test('below fromTopic keeps the whole way bounded', async () => {
    await write(3000)
    await using producer = log.producer()
    const done = new Subject<unknown>()
    const records = fromTopic(log, 'in', { ...serdes, flow: { max: 50, done } }).pipe(
      map(({ key, value }) => ({ key, value: `${value}!` })),
      take(3000),
    )
    const options = { inFlight: 50, buffer: 0, acknowledged: done }
    expect(await toTopic(records, producer, 'out', options)).toBe(3000)
  })

  test('refuses bounds that are none', () => {
    const none = { send: async () => 0 }
    expect(() => toTopic(EMPTY, none, 'in', { inFlight: 0 })).toThrow(
      new RangeError(`inFlight of toTopic('in') is 0; pass a whole number from 1`),
    )
  })
})
