/**
 * Event sourcing, the whole program: write commands to a topic, run the topology to the end of what
 * is there, print the events they came to and the accounts as the events leave them.
 *
 *   node --conditions=millrace-source examples/event-sourcing/main.ts
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, json, Streams, text } from 'millrace'
import { readTopic } from '../read-topic.ts'
import { type Account, type Command, evolve } from './account.ts'
import { accountTopology, COMMANDS, EVENTS, REJECTIONS, type RecordedEvent } from './topology.ts'

/** A command for an account at a time. */
export interface Sent {
  readonly account: string
  readonly command: Command
  readonly timestamp: number
}

export interface Told {
  readonly events: readonly string[]
  readonly rejections: readonly string[]
  /** The accounts, made of the events alone. */
  readonly accounts: ReadonlyMap<string, Account>
}

const MONTH_MS = 30 * 86_400_000

const COMMANDS_OF_A_YEAR: readonly Sent[] = [
  { account: 'a-1', command: { kind: 'open', owner: 'Ada' }, timestamp: 0 },
  { account: 'a-1', command: { kind: 'deposit', cents: 5_000 }, timestamp: 1_000 },
  { account: 'a-2', command: { kind: 'deposit', cents: 100 }, timestamp: 2_000 },
  { account: 'a-2', command: { kind: 'open', owner: 'Bertha' }, timestamp: 3_000 },
  { account: 'a-1', command: { kind: 'withdraw', cents: 7_000 }, timestamp: MONTH_MS },
  { account: 'a-1', command: { kind: 'withdraw', cents: 2_000 }, timestamp: 2 * MONTH_MS },
  { account: 'a-1', command: { kind: 'deposit', cents: 1_000 }, timestamp: 4 * MONTH_MS },
]

/** Runs the commands; everything the run keeps lies in `directory`. */
export async function runCommands(sent: readonly Sent[], directory: string): Promise<Told> {
  // Records of the sample are older than any retention by time.
  const topicDefaults = { 'retention.ms': '-1' }
  await using log = embedded({ directory: join(directory, 'log'), topicDefaults })
  await log.open()
  await log.admin.createTopics([{ topic: COMMANDS, partitions: 1 }])
  await using producer = log.producer({ key: text, value: json<Command>() })
  await producer.sendMany(
    sent.map(({ account, command, timestamp }) => ({
      topic: COMMANDS,
      key: account,
      value: command,
      timestamp,
    })),
  )

  const app = new Streams(accountTopology(), {
    applicationId: 'accounts',
    log,
    stateDirectory: join(directory, 'state'),
    until: 'end',
  })
  await app.start()
  await app.finished

  const events: string[] = []
  const rejections: string[] = []
  const accounts = new Map<string, Account>()
  const serdes = { key: text, value: json<RecordedEvent>() }
  await readTopic(log, EVENTS, serdes, ({ key, value: { event } }) => {
    events.push(`${key} ${JSON.stringify(event)}`)
    const account = evolve(accounts.get(key) ?? null, event)
    if (account !== null) accounts.set(key, account)
  })
  await readTopic(log, REJECTIONS, serdes, ({ key, value: { event } }) => {
    rejections.push(`${key} ${JSON.stringify(event)}`)
  })
  return { events, rejections, accounts }
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-event-sourcing-'))
  try {
    const { events, rejections, accounts } = await runCommands(COMMANDS_OF_A_YEAR, directory)
    for (const line of [...events, ...rejections]) console.log(line)
    for (const [number, { owner, cents, isAsleep }] of accounts) {
      console.log(`${number}  ${owner}  ${(cents / 100).toFixed(2)}${isAsleep ? '  asleep' : ''}`)
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (import.meta.main) await main()
