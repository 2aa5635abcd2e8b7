/** Every example in the documentation of `millrace/rxjs` runs, as it stands. */
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { setTimeout as wait } from 'node:timers/promises'
import * as millrace from 'millrace'
import * as edges from 'millrace/rxjs'
import * as rxjs from 'rxjs'
import { expect, test } from 'vitest'

const folder = new URL('../../src/rxjs/', import.meta.url)

const examples = readdirSync(folder).flatMap((file) => {
  const source = readFileSync(new URL(file, folder), 'utf8')
  return [...source.matchAll(/@example\n\s*\* ```ts\n(.*?)\n\s*\* ```/gs)].map(
    (match): [string, string] => [file, (match[1] as string).replace(/^\s*\* ?/gm, '')],
  )
})

test('there is one for each file of functions', () => {
  expect([...new Set(examples.map(([file]) => file))].sort()).toEqual(
    readdirSync(folder)
      .filter((file) => file.includes('-'))
      .sort(),
  )
})

test.each(examples)('%s', async (_file, code) => {
  const stop = new rxjs.Subject<void>()
  const log = millrace.embedded()
  await log.open()
  const topics = ['orders', 'clicks', 'web-stats-counts-changelog']
  await log.admin.createTopics(topics.map((topic) => ({ topic, partitions: 1 })))
  await using producer = log.producer()
  await producer.send({ topic: 'orders', key: 'a', value: '{}' })
  const builder = new millrace.StreamsBuilder()
  builder.stream('orders').to('clicks')
  const until = { applicationId: 'app', log, storage: 'memory', until: 'end' } as const
  const app = new millrace.Streams(builder.build(), until)
  const button = new EventTarget()
  const seen: unknown[] = []
  const ending =
    <Arguments extends unknown[], T>(make: (...args: Arguments) => rxjs.Observable<T>) =>
    (...args: Arguments): rxjs.Observable<T> =>
      make(...args).pipe(
        rxjs.tap((value) => seen.push(value)),
        rxjs.takeUntil(stop),
      )
  const given: Record<string, unknown> = {
    ...millrace,
    ...rxjs,
    ...edges,
    fromTopic: ending(edges.fromTopic),
    fromTable: ending(edges.fromTable),
    stateOf: ending(edges.stateOf),
    fromEvent: ending(
      rxjs.fromEvent as (target: EventTarget, name: string) => rxjs.Observable<Event>,
    ),
    log,
    app,
    button,
    user: 'ada',
    send: async () => 1,
    console: { log() {}, error() {} },
  }
  const body = `return (async () => {${stripTypeScriptTypes(`async () => {${code}}`).slice(13, -1)}})()`
  const running: Promise<void> = new Function(...Object.keys(given), body)(...Object.values(given))
  button.dispatchEvent(new Event('click'))
  await producer.send({ topic: 'web-stats-counts-changelog', key: 'a', value: Buffer.alloc(8) })
  await wait(50)
  stop.next()
  await running
  if (/subscribe|toTopic/.test(code)) expect(seen.length).toBeGreaterThan(0)
  await log.shutdown()
})
