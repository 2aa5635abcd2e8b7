/**
 * An alarm when a user fails to log in five times within a minute, wherever that minute begins.
 *
 * Journey: `logins` -> failures -> sliding windows of a minute -> `alarms`
 *
 * Tumbling windows would miss four failures before the full minute and one after it; sliding windows
 * have one for each failure that ends with it.
 */
import { json, StreamsBuilder, sliding, type Topology, text } from 'millrace'

export const LOGINS = 'logins'
export const ALARMS = 'alarms'

export const FAILURES_MAX = 5

export interface Login {
  readonly succeeded: boolean
  readonly address: string
}

export interface Alarm {
  /** When the first and the last of the failures could be, milliseconds since the epoch. */
  readonly from: number
  readonly to: number
  readonly failures: number
  readonly addresses: readonly string[]
}

interface Failures {
  count: number
  readonly addresses: string[]
}

export function slidingAlarmTopology(): Topology {
  const builder = new StreamsBuilder()

  builder
    .stream(LOGINS, { key: text, value: json<Login>() })
    .filterNot((_user, login) => login.succeeded)
    .groupByKey()
    .windowedBy(sliding('1m', { grace: '10s' }))
    // The aggregator may change what it is given.
    .aggregate((): Failures => ({ count: 0, addresses: [] }), counted, {
      value: json<Failures>(),
      emit: 'updates',
    })
    .toStream()
    // Once per window: with the failure that is one too many.
    .filter((_window, { count }) => count === FAILURES_MAX)
    .map(({ key, start, end }, { count, addresses }): [string, Alarm] => [
      key,
      { from: start, to: end, failures: count, addresses },
    ])
    .to(ALARMS, { key: text, value: json<Alarm>() })

  return builder.build()
}

function counted(_user: string, { address }: Login, failures: Failures): Failures {
  failures.count++
  if (!failures.addresses.includes(address)) failures.addresses.push(address)
  return failures
}
