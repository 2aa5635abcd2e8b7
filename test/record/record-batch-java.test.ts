/**
 * What we write, read by Kafka's own classes. Runs where Java is and env KAFKA_LIB names a folder
 * with Kafka's jars (see test/fixtures/java/RecordFixtures.java):
 *
 *   KAFKA_LIB=DIR vitest run test/record/record-batch-java.test.ts
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { COMPRESSIONS, type Compression } from '../../src/record/compression.ts'
import { BatchReader, BatchWriter } from '../../src/record/record-batch.ts'
import { headerOf, range, recordsOf } from './fixtures.ts'
import { randomOf, SEED } from './random.ts'

const LIB = process.env.KAFKA_LIB
const PROGRAM = fileURLToPath(new URL('../fixtures/java/RecordFixtures.java', import.meta.url))

function randomBatch(compression: Compression, records: number): Buffer {
  const random = randomOf(SEED + records)
  const bytes = (max: number): string => 'abcd '.repeat(random() * max) + random()
  const writer = new BatchWriter()
  for (let index = 0; index < records; index++) {
    const timestamp = Math.floor(random() * (index % 10 === 0 ? 2 ** 50 : 2 ** 41))
    const key = random() < 0.3 ? null : bytes(5)
    const value = random() < 0.1 ? null : bytes(80)
    const headers = random() < 0.8 ? [] : [{ key: bytes(3), value: Buffer.from(bytes(4)) }]
    writer.append(timestamp, range(key), range(value), headers)
  }
  return writer.seal({ compression, producerId: 2 ** 40, producerEpoch: 7, baseSequence: records })
}

describe.skipIf(LIB === undefined)(`a batch of ours, read by Kafka (SEED=${SEED})`, () => {
  test.each(COMPRESSIONS)('%s, small and of many blocks', (compression) => {
    const folder = mkdtempSync(join(tmpdir(), 'record-batch-'))
    try {
      const batches = [1, 10, 1000].map((records) => randomBatch(compression, records))
      const file = join(folder, 'batches.bin')
      writeFileSync(file, Buffer.concat(batches))
      const classPath = join(LIB!, '*')
      const options = { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: 'pipe' } as const
      const printed = execFileSync('java', ['-cp', classPath, PROGRAM, 'read', file], options)
      const lines = printed.split('\n').filter((line) => line.startsWith('{'))
      const reader = new BatchReader()
      const ours = batches.map((batch) => {
        expect(reader.open(batch, 0, { verifyCrc: true })).toBe(true)
        return { ...headerOf(reader), records: recordsOf(reader) }
      })
      expect(lines.map((line) => JSON.parse(line))).toEqual(ours)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
