/**
 * Writes transactions, aborted and committed, and plain records, until it is killed; says on its
 * output what it was told is written. See log-kill.ts, which kills it and checks.
 *
 *   node test/campaigns/log-kill-child.ts FOLDER RUN SEED
 */
import { embedded } from '../../src/client/embedded.ts'
import { randomOf } from '../record/random.ts'

const [directory = '', run = '0', seed = '1'] = process.argv.slice(2)
const WRITERS = 2
const PARTITIONS = 3
const RECORDS_MAX = 40

const log = embedded({ directory, segmentBytes: 200_000 })
await log.admin.createTopics([{ topic: 'data', partitions: PARTITIONS }])

async function writeTransactions(writer: number): Promise<void> {
  const random = randomOf(Number(seed) + writer)
  const producer = log.producer({ transactionalId: `writer-${writer}` })
  await producer.init()
  const group = `group-${writer}`
  const place = { topic: 'data', partition: 0 }
  const [committed] = await log.fetchOffsets(group, [place], { requireStable: true })
  if (committed === undefined || committed.error !== null) throw new Error('no committed offset')
  for (let number = Math.max(0, committed.offset) + 1; ; ) {
    const count = 1 + Math.floor(random() * RECORDS_MAX)
    const aborts = random() < 0.3
    const kind = aborts ? 'aborted' : 'committed'
    await producer.begin()
    for (let record = 0; record < count; record++) {
      const value = `${kind} ${writer} ${number} ${record} ${count} ${'x'.repeat(random() * 100)}`
      const partition = Math.floor(random() * PARTITIONS)
      const sent = producer.send({ topic: 'data', value, partition })
      if (random() < 0.1) await sent
    }
    const offset = aborts ? 1_000_000_000 : number
    await producer.sendOffsets(group, [{ ...place, offset }])
    if (aborts) {
      await producer.abort()
    } else {
      await producer.commit()
      process.stdout.write(`committed ${writer} ${number}\n`)
      number++
    }
    if (random() < 0.2) await new Promise((resolve) => setImmediate(resolve))
  }
}

async function writePlain(): Promise<void> {
  const producer = log.producer()
  for (let number = 0; ; number++) {
    const partition = number % PARTITIONS
    await producer.send({ topic: 'data', value: `plain ${run} ${number}`, partition })
    process.stdout.write(`plain ${run} ${number}\n`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

process.stdout.write('ready\n')
await Promise.all([
  writePlain(),
  ...Array.from({ length: WRITERS }, (_, n) => writeTransactions(n)),
])
