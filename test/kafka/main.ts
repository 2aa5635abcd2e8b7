/**
 * `npm run test:kafka [-- --on one|three|oldest] [vitest arguments]`: starts real brokers from Maven's
 * jars (one of today, three of today, one of the oldest version that is supported) and runs the tests
 * of this folder on each in turn. Without Java it says so and does nothing.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { whyNoJava } from '../java/dump-log-segments.ts'
import { TestCluster } from './cluster.ts'
import { OldestKafka } from './oldest.ts'

/** Exit status of a program that was asked to stop. */
const INTERRUPTED = 130
const VITEST: string = join(import.meta.dirname, '../../node_modules/vitest/vitest.mjs')
const CONFIG: string = join(import.meta.dirname, 'vitest.config.ts')

const PLACES = ['one', 'three', 'oldest'] as const
type Place = (typeof PLACES)[number]

async function runOn(place: Place, args: readonly string[]): Promise<number> {
  const began = Date.now()
  await using cluster =
    place === 'oldest'
      ? await OldestKafka.start()
      : await TestCluster.start({ nodes: place === 'one' ? 1 : 3 })
  const addresses = cluster.brokers().join(',')
  console.log(`\nKafka (${place}) at ${addresses}, after ${Date.now() - began} ms`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void cluster.stop().then(() => process.exit(INTERRUPTED)))
  }
  const child = spawn(process.execPath, [VITEST, 'run', '--config', CONFIG, ...args], {
    stdio: 'inherit',
    env: { ...process.env, KAFKA_BROKERS: addresses, ...listenersOf(cluster) },
  })
  return await new Promise((resolve) => child.once('exit', (status) => resolve(status ?? 1)))
}

function listenersOf(cluster: TestCluster | OldestKafka): Record<string, string> {
  if (cluster instanceof OldestKafka) return {}
  return {
    KAFKA_TLS: cluster.brokers('TLS').join(','),
    KAFKA_SASL: cluster.brokers('SASL').join(','),
    KAFKA_OAUTH: cluster.brokers('OAUTH').join(','),
    KAFKA_CERTIFICATE: cluster.certificate,
  }
}

function placesIn(args: string[]): readonly Place[] {
  const at = args.indexOf('--on')
  if (at < 0) return PLACES
  const [, wanted] = args.splice(at, 2)
  const place = PLACES.find((one) => one === wanted)
  if (place === undefined) throw new TypeError(`--on is '${wanted}'; say ${PLACES.join(', ')}`)
  return [place]
}

const reason = whyNoJava()
if (reason !== null) {
  console.log(`test:kafka is SKIPPED: ${reason}`)
} else {
  const args = process.argv.slice(2)
  for (const place of placesIn(args)) process.exitCode ||= await runOn(place, args)
}
