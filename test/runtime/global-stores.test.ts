/** Global tables in a running application: read to the end first, updated after, read anew at a start. */
import { text } from 'millrace'
import { expect, test } from 'vitest'
import {
  application,
  openLog,
  produce,
  program,
  readAll,
  testFolder,
  until,
} from './applications.ts'

const serdes = { key: text, value: text }

function lookingUp() {
  return program((builder) => {
    const rows = builder.globalTable('rows', { ...serdes, store: { name: 'rows' } })
    builder
      .stream('in', serdes)
      .leftJoin(rows, (value, row) => `${value}=${row}`, { key: (_key, value) => value })
      .to('out')
  })
}

test('all rows are there before the first record, and later ones are seen while it runs', async () => {
  const log = await openLog({ in: 2, rows: 3 })
  const rows = Array.from({ length: 5000 }, (_, index) => [`r${index}`, `${index}`] as const)
  await produce(log, 'rows', rows)
  await produce(log, 'in', [
    ['a', 'r0'],
    ['b', 'r4999'],
    ['c', 'none'],
  ])
  const app = application(lookingUp(), { log })
  await app.start()
  const written = async () => (await readAll(log, 'out')).map(({ value }) => value).sort()
  await until(async () => (await written()).length === 3)
  expect(await written()).toEqual(['none=null', 'r0=0', 'r4999=4999'])
  await produce(log, 'rows', [['none', 'some']])
  await until(async () => {
    await produce(log, 'in', [['c', 'none']])
    return (await written()).includes('none=some')
  })
  await app.close()
})

test('the store on disk is emptied and filled anew at each start', async () => {
  const log = await openLog({ in: 1, rows: 2 })
  const stateDirectory = testFolder()
  await produce(log, 'rows', [['x', '1']])
  for (const expected of ['x=1', 'x=2']) {
    const app = application(lookingUp(), { log, storage: 'rocksdb', stateDirectory })
    await app.start()
    await produce(log, 'in', [['a', 'x']])
    await until(async () => (await readAll(log, 'out')).at(-1)?.value === expected)
    await app.close()
    await produce(log, 'rows', [['x', '2']])
  }
})

test('an application of a global table alone starts, waits and closes', async () => {
  const log = await openLog({ rows: 1 })
  const app = application(
    program((builder) => builder.globalTable('rows', serdes)),
    { log },
  )
  await app.start()
  await produce(log, 'rows', [['x', '1']])
  await app.close()
  expect(app.state).toBe('stopped')
})

test('a global topic that is not there is an error of the start', async () => {
  const log = await openLog({ in: 1 })
  await expect(application(lookingUp(), { log }).start()).rejects.toMatchObject({
    code: 'source-topic-missing',
  })
})
