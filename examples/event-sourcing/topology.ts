/**
 * Commands to events to state: a processor decides each command against the account in its store,
 * sends the event on and changes the account. All three happen in one transaction or not at all.
 *
 * Once a day of event time it looks for accounts that nobody used for long, which is an event too.
 */

import {
  json,
  type KeyValueStore,
  keyValueStore,
  type Processor,
  type ProcessorContext,
  StreamsBuilder,
  type Topology,
  type TypedStore,
  text,
} from 'millrace'
import { type Account, type AccountEvent, type Command, decide, evolve } from './account.ts'

export const COMMANDS = 'account-commands'
export const EVENTS = 'account-events'
export const REJECTIONS = 'account-rejections'
export const ACCOUNTS = 'accounts'

const DAY_MS = 86_400_000
/** Nobody used the account for so long. */
const ASLEEP_AFTER_MS = 90 * DAY_MS

/** An event with where it comes from: the offset of its command, null when time has made it. */
export interface RecordedEvent {
  readonly event: AccountEvent
  readonly command: number | null
}

/** The rows of accounts, by number of the account. */
export const accounts: TypedStore<KeyValueStore<string, Account>> = keyValueStore({
  name: ACCOUNTS,
  key: text,
  value: json<Account>(),
})

/** A processor of one task: decides the commands of its accounts. */
function accountProcessor(): Processor<string, Command, string, RecordedEvent> {
  let context: ProcessorContext<string, RecordedEvent>

  async function sendToSleep(now: number): Promise<void> {
    const asleep: string[] = []
    for await (const { key, value, timestamp } of context.store(accounts).range()) {
      if (!value.isAsleep && timestamp <= now - ASLEEP_AFTER_MS) asleep.push(key)
    }
    for (const key of asleep) await record(key, { kind: 'fell-asleep' }, now)
  }

  async function record(key: string, event: AccountEvent, timestamp: number): Promise<void> {
    const store = context.store(accounts)
    const account = (await store.get(key))?.value ?? null
    if (event.kind !== 'rejected') store.put(key, evolve(account, event), timestamp)
    const command = context.metadata()?.offset ?? null
    await context.forward({ key, value: { event, command }, timestamp, headers: [] })
  }

  return {
    init(given) {
      context = given
      context.schedule(DAY_MS, 'stream-time', sendToSleep)
    },

    async process({ key, value: command, timestamp }) {
      const account = (await context.store(accounts).get(key))?.value ?? null
      await record(key, decide(account, command), timestamp)
    },
  }
}

export function accountTopology(): Topology {
  const builder = new StreamsBuilder()
  const events = builder
    .stream(COMMANDS, { key: text, value: json<Command>() })
    .processValues({ create: accountProcessor, stores: [accounts] }, { name: 'decide' })
  const { rejected, accepted } = events.split(
    { rejected: (_account, { event }) => event.kind === 'rejected' },
    { default: 'accepted' },
  )
  accepted.to(EVENTS, { value: json<RecordedEvent>() })
  rejected.to(REJECTIONS, { value: json<RecordedEvent>() })
  return builder.build()
}
