/**
 * `npm run test:kafka [-- --nodes 1|3] [vitest arguments]`: starts a real broker, then a cluster of
 * three, from Maven's jars, and runs the tests of this folder on each. Without Java it says so and
 * does nothing.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { whyNoJava } from '../java/dump-log-segments.ts'
import { TestCluster } from './cluster.ts'

/** Exit status of a program that was asked to stop. */
const INTERRUPTED = 130
const VITEST: string = join(import.meta.dirname, '../../node_modules/vitest/vitest.mjs')

async function runOn(nodes: 1 | 3, args: readonly string[]): Promise<number> {
  const began = Date.now()
  await using cluster = await TestCluster.start({ nodes })
  const addresses = cluster.brokers().join(',')
  console.log(`\nKafka with ${nodes} node(s) at ${addresses}, after ${Date.now() - began} ms`)
  const config = join(import.meta.dirname, 'vitest.config.ts')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void cluster.stop().then(() => process.exit(INTERRUPTED)))
  }
  const child = spawn(process.execPath, [VITEST, 'run', '--config', config, ...args], {
    stdio: 'inherit',
    env: {
      ...process.env,
      KAFKA_BROKERS: addresses,
      KAFKA_TLS: cluster.brokers('TLS').join(','),
      KAFKA_SASL: cluster.brokers('SASL').join(','),
      KAFKA_OAUTH: cluster.brokers('OAUTH').join(','),
      KAFKA_CERTIFICATE: cluster.certificate,
    },
  })
  return await new Promise((resolve) => child.once('exit', (status) => resolve(status ?? 1)))
}

const reason = whyNoJava()
if (reason !== null) {
  console.log(`test:kafka is SKIPPED: ${reason}`)
} else {
  const args = process.argv.slice(2)
  const at = args.indexOf('--nodes')
  const wanted = at < 0 ? [1, 3] : [Number(args.splice(at, 2)[1])]
  for (const nodes of wanted) {
    if (nodes !== 1 && nodes !== 3) throw new TypeError('--nodes is 1 or 3')
    process.exitCode ||= await runOn(nodes, args)
  }
}
