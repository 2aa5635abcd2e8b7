import { expect, it } from 'vitest'
import { InFlightGate } from '../../src/state/in-flight-gate.ts'

it('lets two reads and three operations in, waiting reads first, and keeps nobody out for ever', async () => {
  const gate = new InFlightGate({ reads: 2, total: 3 })
  const entered: string[] = []
  const enter = (name: string, waiting: Promise<void> | undefined): void => {
    if (waiting === undefined) entered.push(name)
    else void waiting.then(() => entered.push(name))
  }
  enter('w1', gate.enterWrite())
  enter('w2', gate.enterWrite())
  enter('w3', gate.enterWrite())
  enter('w4', gate.enterWrite())
  enter('r1', gate.enterRead())
  enter('r2', gate.enterRead())
  enter('r3', gate.enterRead())
  expect(entered).toEqual(['w1', 'w2', 'w3'])
  gate.leaveWrite()
  gate.leaveWrite()
  await Promise.resolve()
  expect(entered).toEqual(['w1', 'w2', 'w3', 'r1', 'r2'])
  gate.leaveWrite()
  await Promise.resolve()
  expect(entered.slice(5)).toEqual(['w4'])
  gate.leaveRead()
  await Promise.resolve()
  expect(entered.slice(6)).toEqual(['r3'])
})
