/** What the benchmarks say on a machine that lacks what the peer needs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { startKafkaStreams } from '../../benchmarks/kafka-streams.ts'

describe('the Kafka Streams peer', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bench-peer-'))
    vi.stubEnv('PATH', directory)
  })

  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(directory, { recursive: true, force: true })
  })

  it('names what to install where there is no Java', async () => {
    const options = { directory, dataDirectory: directory, scale: 1, commitIntervalMs: null }
    await expect(startKafkaStreams({ ...options, say: () => {} })).rejects.toThrow(
      'needs Java 17 or later (a JDK): install it',
    )
  })
})
