/** The included log keeps the contract of `LogClient`, in memory and on disk; its own lifetime. */
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { embedded } from '../../src/client/embedded.ts'
import { batchOf, textOf } from '../contract/batches.ts'
import { logClientContract } from '../contract/log-client.ts'
import { temporaryFolder } from '../state/temporary-folder.ts'

logClientContract({
  name: 'the included log in memory',
  open: async () => embedded(),
  dispose: async (client) => client.close(),
})

logClientContract({
  name: 'the included log in memory, flushed at each commit',
  open: async () => embedded({ flush: 'each-commit' }),
  dispose: async (client) => client.close(),
})

const folders = new Map<object, () => void>()

logClientContract({
  name: 'the included log on disk',
  async open() {
    const folder = temporaryFolder()
    const log = embedded({ directory: folder.path })
    folders.set(log, folder.remove)
    return log
  },
  async dispose(client) {
    await client.close()
    folders.get(client)?.()
  },
})

describe('the included log', () => {
  const fetchOptions = {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1 << 20,
    isolation: 'read-committed',
  } as const

  it('stays open until the last hold is given back, and opens again', async () => {
    const folder = temporaryFolder()
    const log = embedded({ directory: folder.path })
    await log.open()
    await log.open()
    await log.admin.createTopics([{ topic: 'a', partitions: 1 }])
    await log.produce([{ topic: 'a', partition: 0, batch: batchOf(['one']) }], { acks: 'all' })
    await log.close()
    expect((await log.describeTopics()).map(({ topic }) => topic)).toEqual(['a'])
    await log.close()
    await using other = embedded({ directory: folder.path })
    await other.open()
    await other.close()
    const fetcher = log.fetcher('test')
    const [fetched] = await fetcher.poll(
      [{ topic: 'a', partition: 0, offset: 0, maxBytes: 1000 }],
      fetchOptions,
    )
    expect(textOf(fetched, 0)).toBe('0:one')
    await log.close()
    folder.remove()
  })

  it('answers that it is closed after shutdown, until it is opened again', async () => {
    const log = embedded()
    await log.open()
    await log.shutdown()
    await expect(log.describeTopics()).rejects.toMatchObject({ code: 'log-closed' })
    await log.open()
    expect(await log.describeTopics()).toEqual([])
    await log.close()
  })

  it('says who has the folder when it is open twice', async () => {
    const folder = temporaryFolder()
    await using log = embedded({ directory: folder.path })
    await log.open()
    await expect(embedded({ directory: folder.path }).open()).rejects.toMatchObject({
      code: 'log-locked',
    })
    await log.shutdown()
    folder.remove()
  })

  it('hands out the very buffer that was produced', async () => {
    await using log = embedded()
    await log.admin.createTopics([{ topic: 'a', partitions: 1 }])
    const batch = batchOf(['one'])
    await log.produce([{ topic: 'a', partition: 0, batch }], { acks: 'all' })
    const fetcher = log.fetcher('test')
    const items = [{ topic: 'a', partition: 0, offset: 0, maxBytes: 1000 }]
    const [fetched] = await fetcher.poll(items, fetchOptions)
    expect(fetched?.records[0]?.buffer).toBe(batch.buffer)
  })

  it('frees a waiting poll when it is closed', async () => {
    const log = embedded()
    await log.admin.createTopics([{ topic: 'a', partitions: 1 }])
    const items = [{ topic: 'a', partition: 0, offset: 0, maxBytes: 1000 }]
    const waiting = log.fetcher('test').poll(items, { ...fetchOptions, maxWaitMs: 60_000 })
    await new Promise((resolve) => setTimeout(resolve, 10))
    await log.shutdown()
    expect((await waiting)[0]?.error?.code).toBe('log-closed')
  })

  it('removes the folders of a deleted topic', async () => {
    const folder = temporaryFolder()
    await using log = embedded({ directory: folder.path })
    await log.admin.createTopics([{ topic: 'a', partitions: 2 }])
    expect(existsSync(`${folder.path}/a-1`)).toBe(true)
    await log.admin.deleteTopics(['a'])
    expect(existsSync(`${folder.path}/a-1`)).toBe(false)
    await log.shutdown()
    folder.remove()
  })

  it('takes defaults for topics from its options', async () => {
    await using log = embedded({ retention: '3h', segmentBytes: 1_000_000 })
    await log.admin.createTopics([{ topic: 'a', partitions: 1 }])
    const config = await log.admin.describeConfig('a')
    expect(config['retention.ms']).toBe(String(3 * 3_600_000))
    expect(config['segment.bytes']).toBe('1000000')
  })
})
