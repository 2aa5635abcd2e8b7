/** An application's life: its states, running to the end, and stopping in every way there is. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Guarantee, StreamsError, type StreamsState, systemClock, text } from 'millrace'
import { describe, expect, test } from 'vitest'
import {
  application,
  countsIn,
  countsOf,
  openLog,
  produce,
  program,
  readAll,
  runToEnd,
  testFolder,
  until,
  words,
} from './applications.ts'
import { counting } from './programs.ts'

function copying() {
  return program((builder) => builder.stream('in', { key: text, value: text }).to('out'))
}

function recordStates(app: ReturnType<typeof application>): StreamsState[] {
  const states: StreamsState[] = []
  app.onStateChange((state) => states.push(state))
  return states
}

describe('states', () => {
  test('run from created to stopped, each told to listeners', async () => {
    const log = await openLog({ in: 1 })
    const app = application(copying(), { log })
    const states = recordStates(app)
    expect(app.state).toBe('created')
    await app.start()
    expect(app.state).toBe('running')
    await app.close()
    await app.finished
    expect(states).toEqual(['starting', 'running', 'stopping', 'stopped'])
  })

  test('a listener that was taken off hears nothing more', async () => {
    const log = await openLog({ in: 1 })
    const app = application(copying(), { log })
    const states: StreamsState[] = []
    const off = app.onStateChange((state) => states.push(state))
    await app.start()
    off()
    await app.close()
    expect(states).toEqual(['starting', 'running'])
  })

  test('an application starts once', async () => {
    const log = await openLog({ in: 1 })
    const app = application(copying(), { log })
    const first = app.start()
    await expect(app.start()).rejects.toMatchObject({ code: 'streams-state-invalid' })
    await first
    await expect(app.start()).rejects.toThrow('An application starts once; this one is running')
    expect(app.state).toBe('running')
    await app.close()
    await expect(app.start()).rejects.toMatchObject({ code: 'streams-state-invalid' })
  })

  test('closed before it starts, it is stopped and does not start', async () => {
    const log = await openLog({ in: 1 })
    const app = application(copying(), { log })
    await app.close()
    await app.finished
    expect(app.state).toBe('stopped')
    await expect(app.start()).rejects.toMatchObject({ code: 'streams-state-invalid' })
  })

  test('close may be called twice, and while it starts', async () => {
    const log = await openLog({ in: 2 })
    await produce(log, 'in', words(2000))
    await runToEnd(counting(), { log })
    const app = application(counting(), { log })
    const states = recordStates(app)
    const starting = app.start()
    await Promise.all([app.close(), app.close()])
    await starting
    await app.finished
    expect(states.at(-1)).toBe('stopped')
    expect(app.metrics().recordsRestored).toBeGreaterThan(0)
  })

  test('a start that fails makes it failed, with the error in start and finished alike', async () => {
    const log = await openLog({ other: 1 })
    const app = application(copying(), { log })
    const error: unknown = await app.start().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StreamsError)
    await expect(app.finished).rejects.toBe(error)
    expect(app.state).toBe('failed')
    await app.close()
    expect(app.state).toBe('failed')
  })

  test('records produced while it runs are processed, and committed soon', async () => {
    const log = await openLog({ in: 2 })
    const app = application(counting(), { log, commitInterval: 10 })
    await app.start()
    const input = words(100)
    await produce(log, 'in', input.slice(0, 50))
    await until(async () => (await countsIn(log)).size === 7)
    await produce(log, 'in', input.slice(50))
    await until(async () => (await readAll(log, 'counts')).length === 100)
    await app.close()
    expect(await countsIn(log)).toEqual(countsOf(input))
  })
})

describe.each<Guarantee>(['exactly-once', 'at-least-once'])("until 'end', %s", (guarantee) => {
  test('processes what is there, through two repartition topics, and stops', async () => {
    const log = await openLog({ in: 3 })
    const input = words(500)
    await produce(log, 'in', input)
    const topology = program((builder) =>
      builder
        .stream('in', { key: text, value: text })
        .groupBy((_key, value) => value, { name: 'first' })
        .count({ emit: 'updates' })
        .toStream()
        .map((word, count): [string, string] => [`last-${count % 2}`, word])
        .groupByKey({ key: text, value: text, name: 'second' })
        .count({ emit: 'updates' })
        .toStream()
        .to('counts'),
    )
    const app = await runToEnd(topology, { log, guarantee })
    expect(app.state).toBe('stopped')
    expect(app.metrics()).toMatchObject({ recordsConsumed: 500, recordsProcessed: 1500 })
    const odd = Array.from({ length: 500 }, (_, index) => Math.floor(index / 7) % 2 === 0)
    const expected = odd.filter((isOdd) => isOdd).length
    const counts = await countsIn(log)
    expect(counts.get('last-1')?.at(-1)).toBe(expected)
    expect(counts.get('last-0')?.at(-1)).toBe(500 - expected)
  })

  test('a second run goes on where the first stopped', async () => {
    const log = await openLog({ in: 2 })
    const input = words(300)
    await produce(log, 'in', input.slice(0, 200))
    await runToEnd(counting(), { log, guarantee })
    const idle = await runToEnd(counting(), { log, guarantee })
    expect(idle.metrics()).toMatchObject({ recordsConsumed: 0, recordsProduced: 0 })
    await produce(log, 'in', input.slice(200))
    await runToEnd(counting(), { log, guarantee })
    expect(await countsIn(log)).toEqual(countsOf(input))
  })

  test('what is produced after the start is left for the next run', async () => {
    const log = await openLog({ in: 1 })
    await produce(log, 'in', words(10))
    const app = application(counting(), { log, guarantee, until: 'end' })
    await app.start()
    const more = produce(log, 'in', words(10))
    await app.finished
    await more
    expect(app.metrics().recordsConsumed).toBe(10)
    const next = await runToEnd(counting(), { log, guarantee })
    expect(next.metrics().recordsConsumed).toBe(10)
  })

  test('empty topics are at their end', async () => {
    const log = await openLog({ in: 4 })
    const app = await runToEnd(counting(), { log, guarantee })
    expect(app.metrics()).toMatchObject({ recordsConsumed: 0, recordsProduced: 0 })
  })
})

test('two applications read the same topic, each all of it', async () => {
  const log = await openLog({ in: 2 })
  const input = words(100)
  await produce(log, 'in', input)
  const copied = program((builder) => builder.stream('in', { key: text, value: text }).to('copy'))
  await Promise.all([
    runToEnd(counting(), { log, applicationId: 'counter' }),
    runToEnd(copied, { log, applicationId: 'copier' }),
  ])
  expect(await countsIn(log)).toEqual(countsOf(input))
  expect(await readAll(log, 'copy')).toHaveLength(100)
})

test('repartition topics are purged behind their readers, and a restart goes on', async () => {
  const log = await openLog({ in: 1 })
  // A clock on which the time between two purges is 30 ms.
  const clock = { ...systemClock, monotonic: () => performance.now() * 1000 }
  const app = application(counting(), { log, clock, commitInterval: 1 })
  await app.start()
  const input = words(300)
  const purged = async (): Promise<number> => {
    const topic = 'app-by-value-repartition'
    const [start] = await log.listOffsets(
      [{ topic, partition: 0, at: 'earliest' }],
      'read-committed',
    )
    return start?.offset ?? 0
  }
  for (let from = 0; from < 200; from += 20) {
    await produce(log, 'in', input.slice(from, from + 20))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await until(async () => (await purged()) > 0)
  await app.close()
  await produce(log, 'in', input.slice(200))
  await runToEnd(counting(), { log })
  expect(await countsIn(log)).toEqual(countsOf(input))
})

describe('signals', () => {
  test.each<NodeJS.Signals>(['SIGTERM', 'SIGINT'])(
    '%s commits what is processed and ends the process by itself',
    async (signal) => {
      const directory = testFolder()
      const log = await openLog({ in: 2 }, directory)
      const input = words(500)
      await produce(log, 'in', input)
      await log.shutdown()

      const child = spawn(
        process.execPath,
        [
          '--conditions=millrace-source',
          fileURLToPath(new URL('running-child.ts', import.meta.url)),
          directory,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      await once(child.stdout, 'data')
      child.kill(signal)
      expect(await once(child, 'exit')).toEqual([0, null])

      const after = await openLog({}, directory)
      const app = await runToEnd(counting(), { log: after })
      expect(app.metrics()).toMatchObject({ recordsConsumed: 0 })
      expect(await countsIn(after)).toEqual(countsOf(input))
    },
  )
})
