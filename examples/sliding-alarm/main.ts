/**
 * Watches an hour of logins, most of them harmless, and prints the alarms.
 *
 *   node --conditions=millrace-source examples/sliding-alarm/main.ts
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, json, Streams, text } from 'millrace'
import { readTopic } from '../read-topic.ts'
import { ALARMS, type Alarm, LOGINS, type Login, slidingAlarmTopology } from './topology.ts'

export interface TimedLogin extends Login {
  readonly user: string
  readonly at: number
}

export interface UserAlarm extends Alarm {
  readonly user: string
}

const PARTITIONS = 2

/** The alarms that these logins raise; what the run keeps lies in `directory`. */
export async function alarmsOf(
  logins: readonly TimedLogin[],
  directory: string,
): Promise<UserAlarm[]> {
  // Records of the sample are older than any retention by time.
  const topicDefaults = { 'retention.ms': '-1' }
  await using log = embedded({ directory: join(directory, 'log'), topicDefaults })
  await log.open()
  await log.admin.createTopics([LOGINS, ALARMS].map((topic) => ({ topic, partitions: PARTITIONS })))
  await using producer = log.producer({ key: text, value: json<Login>() })
  await producer.sendMany(
    logins.map(({ user, at, succeeded, address }) => {
      return { topic: LOGINS, key: user, value: { succeeded, address }, timestamp: at }
    }),
  )
  await producer.flush()

  const app = new Streams(slidingAlarmTopology(), {
    applicationId: 'sliding-alarm',
    log,
    stateDirectory: join(directory, 'state'),
    until: 'end',
  })
  await app.start()
  await app.finished

  const alarms: UserAlarm[] = []
  await readTopic(log, ALARMS, { key: text, value: json<Alarm>() }, ({ key: user, value }) => {
    alarms.push({ user, ...value })
  })
  return alarms
}

const HOUR_MS = 3_600_000
const USERS = 20

/** Now and then a user mistypes a password; one account is tried from several places. */
export function someLogins(startMs: number): TimedLogin[] {
  const logins: TimedLogin[] = []
  for (let at = startMs, n = 0; at < startMs + HOUR_MS; at += 7000, n++) {
    const user = `user-${n % USERS}`
    logins.push({ user, at, succeeded: n % 9 !== 0, address: `198.51.100.${n % 50}` })
  }
  for (let n = 0; n < 6; n++) {
    const at = startMs + HOUR_MS / 2 + 35_000 + n * 10_000
    logins.push({ user: 'user-3', at, succeeded: false, address: `203.0.113.${n % 3}` })
  }
  return logins.sort((a, b) => a.at - b.at)
}

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-sliding-alarm-'))
  try {
    for (const alarm of await alarmsOf(someLogins(Date.UTC(2024, 2, 11, 8)), directory)) {
      const [from, to] = [alarm.from, alarm.to].map((at) => new Date(at).toISOString())
      const { user, failures, addresses } = alarm
      console.log(
        `${user}: ${failures} failures within ${from} and ${to} from ${addresses.join(', ')}`,
      )
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (import.meta.main) await main()
