/** Commands become events and rejections, and the accounts are what the events make of them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json, type KeyValueStore, text } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { describe, expect, it } from 'vitest'
import type { Account, Command } from '../../examples/event-sourcing/account.ts'
import { runCommands } from '../../examples/event-sourcing/main.ts'
import {
  ACCOUNTS,
  accountTopology,
  COMMANDS,
  EVENTS,
  REJECTIONS,
  type RecordedEvent,
} from '../../examples/event-sourcing/topology.ts'

const DAY_MS = 86_400_000

describe('event sourcing', () => {
  it('records what commands come to, and rejects what the account does not allow', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-event-sourcing-test-'))
    try {
      const told = await runCommands(
        [
          { account: 'a', command: { kind: 'open', owner: 'Ada' }, timestamp: 1 },
          { account: 'a', command: { kind: 'deposit', cents: 500 }, timestamp: 2 },
          { account: 'a', command: { kind: 'withdraw', cents: 600 }, timestamp: 3 },
          { account: 'a', command: { kind: 'withdraw', cents: 100 }, timestamp: 4 },
          { account: 'b', command: { kind: 'deposit', cents: 1 }, timestamp: 5 },
        ],
        directory,
      )
      expect(told.events).toEqual([
        'a {"kind":"opened","owner":"Ada"}',
        'a {"kind":"deposited","cents":500}',
        'a {"kind":"withdrawn","cents":100}',
      ])
      expect(told.rejections).toEqual([
        'a {"kind":"rejected","command":"withdraw","reason":"only 500 there"}',
        'b {"kind":"rejected","command":"deposit","reason":"no such account"}',
      ])
      expect([...told.accounts]).toEqual([['a', { owner: 'Ada', cents: 400, isAsleep: false }]])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('sends accounts to sleep as time goes on, whatever is restarted or crashes', async () => {
    const driver = await TopologyTestDriver.open(accountTopology())
    try {
      const commands = driver.input(COMMANDS, { key: text, value: json<Command>() })
      const serdes = { key: text, value: json<RecordedEvent>() }
      const events = driver.output(EVENTS, serdes)
      await commands.pipe({ key: 'a', value: { kind: 'open', owner: 'Ada' }, timestamp: 0 })
      await driver.restart()
      await commands.pipe({ key: 'b', value: { kind: 'open', owner: 'Bea' }, timestamp: DAY_MS })
      driver.crashAfter('drain')
      await commands.pipe({
        key: 'b',
        value: { kind: 'deposit', cents: 5 },
        timestamp: 90 * DAY_MS,
      })
      const told = (await events.readAll()).map(({ key, value, timestamp }) =>
        [key, value?.event.kind, value?.command ?? 'time', timestamp / DAY_MS].join(' '),
      )
      expect(told).toEqual([
        'a opened 0 0',
        'b opened 1 1',
        'b deposited 2 90',
        'a fell-asleep time 90',
      ])
      const accounts = driver.store<KeyValueStore<string, Account>>(ACCOUNTS)
      expect((await accounts.get('a'))?.value.isAsleep).toBe(true)
      expect((await accounts.get('b'))?.value).toEqual({ owner: 'Bea', cents: 5, isAsleep: false })
      expect(await driver.output(REJECTIONS, serdes).readAll()).toEqual([])
    } finally {
      await driver.close()
    }
  })
})
