/**
 * What every `LogClient` must do. Run over the included log in memory and on disk, and over a
 * cluster where one is there. Topic names differ per test, so that a cluster needs no cleaning.
 *
 * A cluster does some things a little after it said so: a batch may be refused in passing and is sent
 * again, and a transaction that ended shows when its markers are written (`settled`).
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type {
  ClientError,
  FetchedPartition,
  FetchOptions,
  GroupIdentity,
  GroupOptions,
  Isolation,
  LogClient,
  ProducerIdentity,
  TopicPartition,
} from '../../src/client/client.ts'
import { nextOffset } from '../../src/record/next-offset.ts'
import { type BatchOptions, batchOf, textOf } from './batches.ts'

export interface LogClientCase {
  readonly name: string
  open(): Promise<LogClient>
  dispose(client: LogClient): Promise<void>
}

const AT_ONCE: Omit<FetchOptions, 'isolation'> = { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20 }
const OUTSIDE = { generation: -1, memberId: '' }

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function refusalOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown as ClientError,
  )
  return error === null ? 'accepted' : `${error.code}/${error.kind}`
}

export function logClientContract({ name, open, dispose }: LogClientCase): void {
  describe(`a log client: ${name}`, () => {
    let client: LogClient
    let topic = ''
    let count = 0

    beforeEach(async () => {
      client = await open()
      topic = `contract-${process.pid}-${Date.now()}-${count++}`
      await client.admin.createTopics([{ topic, partitions: 2 }])
    })
    afterEach(() => dispose(client))

    const at = (partition: number): TopicPartition => ({ topic, partition })

    async function produce(
      partition: number,
      values: readonly string[],
      options: BatchOptions & { readonly transactionalId?: string } = {},
    ): Promise<string> {
      const { transactionalId } = options
      const batch = batchOf(values, options)
      for (;;) {
        const [result] = await client.produce(
          [{ ...at(partition), batch }],
          transactionalId === undefined ? { acks: 'all' } : { acks: 'all', transactionalId },
        )
        if (result === undefined) return 'no result'
        if (result.error === null) return String(result.baseOffset)
        if (result.error.kind !== 'retry') return `${result.error.code}/${result.error.kind}`
        await sleep(20)
      }
    }

    /** Waits until no transaction is open in the topic: its markers are written. */
    async function settled(): Promise<void> {
      for (;;) {
        const items = [0, 1].map((partition) => ({ ...at(partition), at: 'latest' as const }))
        const stable = await client.listOffsets(items, 'read-committed')
        const ends = await client.listOffsets(items, 'read-uncommitted')
        if (stable.every(({ offset }, index) => offset === ends[index]?.offset)) return
        await sleep(5)
      }
    }

    async function fetch(
      partition: number,
      offset: number,
      options: Partial<FetchOptions> = {},
    ): Promise<FetchedPartition> {
      const fetcher = client.fetcher('test')
      try {
        const [fetched] = await fetcher.poll([{ ...at(partition), offset, maxBytes: 1 << 20 }], {
          ...AT_ONCE,
          isolation: 'read-committed',
          ...options,
        })
        return fetched as FetchedPartition
      } finally {
        await fetcher.close()
      }
    }

    /** All that a reader sees from an offset on; one fetch may end with a segment. */
    async function read(
      partition: number,
      offset = 0,
      isolation: Isolation = 'read-committed',
    ): Promise<string> {
      const texts: string[] = []
      for (let position = offset; ; ) {
        const fetched = await fetch(partition, position, { isolation })
        const text = textOf(fetched, position, isolation)
        if (text !== '') texts.push(text)
        if (fetched.records.length === 0) return texts.join(' ')
        position = nextOffset(fetched.records, position)
      }
    }

    const begin = async (id: string): Promise<ProducerIdentity> => {
      const producer = await client.transactions.init(id, 60_000)
      await client.transactions.addPartitions(id, producer, [at(0), at(1)])
      return producer
    }

    describe('topics', () => {
      it('describes a topic that exists and leaves out one that does not', async () => {
        const described = await client.describeTopics([topic, `${topic}-missing`])
        expect(described.map((one) => [one.topic, one.partitions.length])).toEqual([[topic, 2]])
      })

      it('refuses to create a topic twice, and one with an illegal name or configuration', async () => {
        const results = await client.admin.createTopics([
          { topic, partitions: 1 },
          { topic: 'no spaces', partitions: 1 },
          { topic: `${topic}-b`, partitions: 0 },
          { topic: `${topic}-c`, partitions: 1, config: { 'retention.ms': 'soon' } },
        ])
        expect(results.map(({ error }) => error?.code)).toEqual([
          'topic-already-exists',
          'topic-name-invalid',
          'topic-config-invalid',
          'topic-config-invalid',
        ])
      })

      it('adds partitions, and never takes any away', async () => {
        await client.admin.createPartitions(topic, 3)
        const [described] = await client.describeTopics([topic])
        expect(described?.partitions.length).toBe(3)
        expect(await produce(2, ['a'])).toBe('0')
        expect(await refusalOf(client.admin.createPartitions(topic, 2))).toContain('topic-config')
      })

      it('describes and alters configuration, and goes back to the default', async () => {
        await client.admin.alterConfig(topic, { 'retention.ms': '1000' })
        expect((await client.admin.describeConfig(topic))['retention.ms']).toBe('1000')
        await client.admin.alterConfig(topic, { 'retention.ms': null })
        expect((await client.admin.describeConfig(topic))['retention.ms']).not.toBe('1000')
      })

      it('answers for a deleted topic as for one that never was', async () => {
        await produce(0, ['a'])
        await client.admin.deleteTopics([topic])
        expect(await client.describeTopics([topic])).toEqual([])
        expect(await produce(0, ['b'])).toContain('topic-not-found')
        expect((await fetch(0, 0)).error?.code).toBe('topic-not-found')
      })

      it('starts empty when it is created again', async () => {
        await produce(0, ['a'])
        await client.admin.deleteTopics([topic])
        await client.admin.createTopics([{ topic, partitions: 1 }])
        expect(await produce(0, ['b'])).toBe('0')
        expect(await read(0)).toBe('0:b')
      })
    })

    describe('produce and fetch', () => {
      it('gives offsets in order and hands the records back', async () => {
        expect(await produce(0, ['a', 'b'])).toBe('0')
        expect(await produce(0, ['c'])).toBe('2')
        expect(await produce(1, ['d'])).toBe('0')
        expect([await read(0), await read(0, 1), await read(1)]).toEqual([
          '0:a 1:b 2:c',
          '1:b 2:c',
          '0:d',
        ])
      })

      it('answers each item of a call by itself, in order', async () => {
        const results = await client.produce(
          [
            { ...at(1), batch: batchOf(['a']) },
            { topic, partition: 9, batch: batchOf(['b']) },
            { ...at(0), batch: batchOf(['c']) },
          ],
          { acks: 'leader' },
        )
        expect(results.map(({ partition, error }) => [partition, error?.code])).toEqual([
          [1, undefined],
          [9, 'partition-not-found'],
          [0, undefined],
        ])
      })

      it('refuses a batch whose bytes were damaged, and keeps nothing of it', async () => {
        const batch = batchOf(['a'])
        batch[batch.length - 1] = (batch[batch.length - 1] as number) ^ 1
        const [result] = await client.produce([{ ...at(0), batch }], { acks: 'all' })
        expect(result?.error?.kind).toBe('fatal')
        expect(await produce(0, ['b'])).toBe('0')
      })

      it('refuses a batch larger than the topic accepts', async () => {
        await client.admin.alterConfig(topic, { 'max.message.bytes': '1000' })
        expect(await produce(0, ['x'.repeat(2000)])).toBe('record-too-large/fatal')
      })

      it('refuses an offset outside of the log', async () => {
        await produce(0, ['a'])
        expect((await fetch(0, 5)).error?.code).toBe('log-offset-out-of-range')
        expect((await fetch(0, 1)).error).toBe(null)
      })

      it('hands out at least one batch however small the bounds are', async () => {
        await produce(0, ['x'.repeat(500)])
        await produce(0, ['y'.repeat(500)])
        const fetched = await fetch(0, 0, { maxBytes: 1 })
        expect(textOf(fetched, 0)).toBe(`0:${'x'.repeat(500)}`)
      })

      it('keeps within the bound over several partitions, and starves none', async () => {
        for (const partition of [0, 1]) await produce(partition, ['x'.repeat(600)])
        const fetcher = client.fetcher('test')
        const items = [0, 1].map((partition) => ({
          ...at(partition),
          offset: 0,
          maxBytes: 1 << 20,
        }))
        const seen = new Set<number>()
        for (let poll = 0; poll < 4; poll++) {
          const answer = await fetcher.poll(items, {
            ...AT_ONCE,
            maxBytes: 1000,
            isolation: 'read-committed',
          })
          const filled = answer.filter(({ records }) => records.length > 0)
          expect(filled.length).toBe(1)
          for (const { partition } of filled) seen.add(partition)
        }
        await fetcher.close()
        expect([...seen].sort()).toEqual([0, 1])
      })

      it('waits for data and answers when it comes', async () => {
        const started = performance.now()
        const waiting = fetch(0, 0, { maxWaitMs: 5000 })
        await sleep(30)
        await produce(0, ['a'])
        expect(textOf(await waiting, 0)).toBe('0:a')
        expect(performance.now() - started).toBeLessThan(2000)
      })

      it('waits until there is enough, or the time is over', async () => {
        const waiting = fetch(0, 0, { maxWaitMs: 5000, minBytes: 600 })
        await produce(0, ['a'])
        await sleep(20)
        await produce(0, ['x'.repeat(600)])
        expect(textOf(await waiting, 0)).toBe(`0:a 1:${'x'.repeat(600)}`)
        const late = fetch(0, 2, { maxWaitMs: 30, minBytes: 600 })
        await produce(0, ['b'])
        expect(textOf(await late, 2)).toBe('2:b')
      })

      it('frees a waiting poll at a wakeup', async () => {
        const fetcher = client.fetcher('test')
        const options = { ...AT_ONCE, maxWaitMs: 10_000, isolation: 'read-committed' } as const
        const items = [{ ...at(0), offset: 0, maxBytes: 1000 }]
        const waiting = fetcher.poll(items, options)
        await sleep(20)
        const woken = performance.now()
        fetcher.wakeup()
        expect((await waiting)[0]?.records).toEqual([])
        expect(performance.now() - woken).toBeLessThan(1000)
        await fetcher.close()
      })

      it('frees a waiting poll when its topic is deleted', async () => {
        const waiting = fetch(0, 0, { maxWaitMs: 10_000 })
        await sleep(20)
        await client.admin.deleteTopics([topic])
        expect((await waiting).error?.code).toBe('topic-not-found')
      })
    })

    describe('offsets of the log', () => {
      it('lists the ends and the first record of a time', async () => {
        await produce(0, ['a'], { timestamp: 1000 })
        await produce(0, ['b'], { timestamp: 2000 })
        const listed = await client.listOffsets(
          [
            { ...at(0), at: 'earliest' },
            { ...at(0), at: 'latest' },
            { ...at(0), at: 1500 },
            { ...at(0), at: 9999 },
          ],
          'read-committed',
        )
        expect(listed.map(({ offset }) => offset)).toEqual([0, 2, 1, -1])
        expect(listed[2]?.timestamp).toBe(2000)
      })

      it('ends at the last stable offset for read-committed', async () => {
        const producer = await begin(`${topic}-t`)
        await produce(0, ['a'], { producer, transactional: true, transactionalId: `${topic}-t` })
        const latest = async (isolation: Isolation): Promise<number | undefined> =>
          (await client.listOffsets([{ ...at(0), at: 'latest' }], isolation))[0]?.offset
        expect([await latest('read-committed'), await latest('read-uncommitted')]).toEqual([0, 1])
      })

      it('deletes records before an offset', async () => {
        await produce(0, ['a'])
        await produce(0, ['b'])
        await client.admin.deleteRecords([{ ...at(0), beforeOffset: 1 }])
        expect((await fetch(0, 0)).error?.code).toBe('log-offset-out-of-range')
        expect(await read(0, 1)).toBe('1:b')
      })
    })

    describe('idempotence', () => {
      it('keeps a batch once that is sent twice, and answers its first offset again', async () => {
        const producer = await client.transactions.init(null, 0)
        expect(await produce(0, ['a', 'b'], { producer })).toBe('0')
        expect(await produce(0, ['a', 'b'], { producer })).toBe('0')
        expect(await produce(0, ['c'], { producer, sequence: 2 })).toBe('2')
        expect(await read(0)).toBe('0:a 1:b 2:c')
      })

      it('refuses a gap in the sequence', async () => {
        const producer = await client.transactions.init(null, 0)
        await produce(0, ['a'], { producer })
        expect(await produce(0, ['c'], { producer, sequence: 2 })).toBe(
          'producer-sequence-invalid/abortable',
        )
      })

      it('starts anew at sequence 0 after the epoch was raised (KIP-360), and fences the old', async () => {
        const producer = await client.transactions.init(null, 0)
        await produce(0, ['a'], { producer })
        const raised = { ...producer, epoch: producer.epoch + 1 }
        expect(await produce(0, ['b'], { producer: raised })).toBe('1')
        expect(await produce(0, ['c'], { producer, sequence: 1 })).toBe('producer-fenced/fenced')
      })

      it('gives every producer another id', async () => {
        const ids = new Set<number>()
        for (let each = 0; each < 20; each++) {
          ids.add((await client.transactions.init(null, 0)).producerId)
        }
        expect(ids.size).toBe(20)
      })
    })

    describe('transactions', () => {
      it('show their records at the commit, in all partitions, and not before', async () => {
        const id = `${topic}-t`
        const producer = await begin(id)
        const own = { producer, transactional: true, transactionalId: id }
        await produce(0, ['a'], own)
        await produce(1, ['b'], own)
        expect([await read(0), await read(1)]).toEqual(['', ''])
        expect(await read(0, 0, 'read-uncommitted')).toBe('0:a')
        await client.transactions.end(id, producer, 'commit')
        await settled()
        expect([await read(0), await read(1)]).toEqual(['0:a', '0:b'])
      })

      it('never show their records after an abort', async () => {
        const id = `${topic}-t`
        const producer = await begin(id)
        await produce(0, ['a'], { producer, transactional: true, transactionalId: id })
        await client.transactions.end(id, producer, 'abort')
        await settled()
        await produce(0, ['b'])
        expect(await read(0)).toBe('2:b')
        expect(await read(0, 0, 'read-uncommitted')).toBe('0:a 2:b')
      })

      it('hold back later records of others until they end', async () => {
        const id = `${topic}-t`
        const producer = await begin(id)
        await produce(0, ['a'], { producer, transactional: true, transactionalId: id })
        await produce(0, ['b'])
        expect(await read(0)).toBe('')
        const waiting = fetch(0, 0, { maxWaitMs: 5000 })
        await client.transactions.end(id, producer, 'commit')
        expect(textOf(await waiting, 0)).toBe('0:a 1:b')
      })

      it('end the same way when the same end is asked for again, and refuse the other', async () => {
        const id = `${topic}-t`
        const producer = await begin(id)
        await produce(0, ['a'], { producer, transactional: true, transactionalId: id })
        const after = await client.transactions.end(id, producer, 'commit')
        expect(await client.transactions.end(id, producer, 'commit')).toEqual(after)
        expect(await refusalOf(client.transactions.end(id, producer, 'abort'))).toBe(
          'transaction-state-invalid/abortable',
        )
      })

      it('go on with their sequence after a commit', async () => {
        const id = `${topic}-t`
        let producer = await begin(id)
        await produce(0, ['a'], { producer, transactional: true, transactionalId: id })
        producer = await client.transactions.end(id, producer, 'commit')
        await client.transactions.addPartitions(id, producer, [at(0)])
        const own = { producer, transactional: true, transactionalId: id }
        expect(await produce(0, ['b'], { ...own, sequence: 1 })).toBe('2')
        await client.transactions.end(id, producer, 'commit')
        await settled()
        expect(await read(0)).toBe('0:a 2:b')
      })

      it('fence the earlier holder of the id, and abort what it left open', async () => {
        const id = `${topic}-t`
        const zombie = await begin(id)
        const old = { producer: zombie, transactional: true, transactionalId: id }
        await produce(0, ['zombie'], old)
        const producer = await begin(id)
        expect(await produce(0, ['late'], { ...old, sequence: 1 })).toBe('producer-fenced/fenced')
        expect(await produce(1, ['late'], old)).toBe('producer-fenced/fenced')
        expect(await refusalOf(client.transactions.addPartitions(id, zombie, [at(0)]))).toBe(
          'producer-fenced/fenced',
        )
        expect(await refusalOf(client.transactions.end(id, zombie, 'commit'))).toBe(
          'producer-fenced/fenced',
        )
        await produce(0, ['new'], { producer, transactional: true, transactionalId: id })
        await client.transactions.end(id, producer, 'commit')
        await settled()
        expect((await read(0)).replace(/\d+:/, '')).toBe('new')
      })

      it('refuse a partition that does not exist', async () => {
        const producer = await client.transactions.init(`${topic}-t`, 60_000)
        const missing = [{ topic, partition: 9 }]
        const call = client.transactions.addPartitions(`${topic}-t`, producer, missing)
        expect(await refusalOf(call)).toMatch(/not-found/)
      })
    })

    describe('offsets of groups', () => {
      const commit = async (group: GroupIdentity, offset: number): Promise<string> => {
        const items = [{ ...at(0), offset, metadata: 'm' }]
        const [result] = await client.commitOffsets(group, items)
        return result?.error ? `${result.error.code}/${result.error.kind}` : 'accepted'
      }
      const committed = async (groupId: string, requireStable = true): Promise<string> => {
        const [answer] = await client.fetchOffsets(groupId, [at(0)], { requireStable })
        return answer?.error ? answer.error.kind : String(answer?.offset)
      }

      it('are -1 before the first commit and then the last one', async () => {
        const groupId = `${topic}-g`
        expect(await committed(groupId)).toBe('-1')
        expect(await commit({ groupId, ...OUTSIDE }, 5)).toBe('accepted')
        expect(await commit({ groupId, ...OUTSIDE }, 7)).toBe('accepted')
        expect(await committed(groupId)).toBe('7')
      })

      it('count with the commit of their transaction, and are unstable until then', async () => {
        const groupId = `${topic}-g`
        const id = `${topic}-t`
        await commit({ groupId, ...OUTSIDE }, 1)
        for (const [outcome, offset, expected] of [
          ['abort', 5, '1'],
          ['commit', 6, '6'],
        ] as const) {
          const producer = await client.transactions.init(id, 60_000)
          await client.transactions.commitOffsets(id, producer, { groupId, ...OUTSIDE }, [
            { ...at(0), offset, metadata: '' },
          ])
          expect([await committed(groupId), await committed(groupId, false)]).toEqual([
            'unstable',
            '1',
          ])
          await client.transactions.end(id, producer, outcome)
          let stable = await committed(groupId)
          for (; stable === 'unstable'; stable = await committed(groupId)) await sleep(20)
          expect(stable).toBe(expected)
        }
      })

      it('are gone with their group', async () => {
        const groupId = `${topic}-g`
        await commit({ groupId, ...OUTSIDE }, 5)
        await client.admin.deleteGroup(groupId)
        expect(await committed(groupId)).toBe('-1')
      })
    })

    describe('groups', () => {
      interface TestMember {
        readonly events: string[]
        readonly partitions: () => string
        readonly identity: () => GroupIdentity
        leave(): Promise<void>
      }

      const member = (
        groupId: string,
        label: string,
        more: Partial<GroupOptions> = {},
      ): TestMember => {
        const events: string[] = []
        let partitions = ''
        let identity: GroupIdentity = { groupId, ...OUTSIDE }
        const membership = client.group({
          groupId,
          protocol: 'test',
          topics: [topic],
          sessionTimeoutMs: 6000,
          rebalanceTimeoutMs: 6000,
          heartbeatMs: 100,
          subscriptionUserData: () => Buffer.from(label),
          assign: async (members) =>
            members.map(({ memberId, userData }, index) => ({
              memberId,
              partitions: [0, 1]
                .filter((partition) => partition % members.length === index)
                .map(at),
              userData,
            })),
          onAssigned: async (assignment) => {
            partitions = assignment.partitions.map(({ partition }) => partition).join(',')
            identity = assignment.identity
            events.push(`assigned ${partitions} ${Buffer.from(assignment.userData).toString()}`)
          },
          onRevoke: async () => void events.push('revoked'),
          onLost: (why) => void events.push(`lost ${why.code}`),
          ...more,
        })
        membership.start()
        return {
          events,
          partitions: () => partitions,
          identity: () => identity,
          leave: () => membership.leave(),
        }
      }

      const until = async (holds: () => boolean): Promise<void> => {
        for (let waited = 0; !holds(); waited += 10) {
          if (waited > 8000) throw new Error('it did not happen within 8 s')
          await sleep(10)
        }
      }

      it('give one member all, share with a second, and take over what one leaves', async () => {
        const one = member(`${topic}-g`, 'one')
        await until(() => one.partitions() === '0,1')
        const two = member(`${topic}-g`, 'two')
        await until(() => one.events.length === 3 && two.events.length === 1)
        expect(one.events.slice(0, 2)).toEqual(['assigned 0,1 one', 'revoked'])
        expect([one.partitions(), two.partitions()].sort()).toEqual(['0', '1'])
        expect(two.events[0]).toMatch(/assigned [01] two/)
        await one.leave()
        expect(one.events.at(-1)).toBe('revoked')
        await until(() => two.partitions() === '0,1')
        await two.leave()
      })

      it('accept commits of members in the generation that is, and of no other', async () => {
        const groupId = `${topic}-g`
        const one = member(groupId, 'one')
        await until(() => one.events.length === 1)
        const before = one.identity()
        const two = member(groupId, 'two')
        await until(() => one.events.length === 3 && two.events.length === 1)
        const items = [{ ...at(0), offset: 1, metadata: '' }]
        const result = async (group: GroupIdentity): Promise<string> =>
          (await client.commitOffsets(group, items))[0]?.error?.kind ?? 'accepted'
        expect(await result(before)).toBe('lost')
        expect(await result({ ...before, memberId: 'nobody' })).toBe('lost')
        expect(await result({ groupId, ...OUTSIDE })).toBe('lost')
        expect(await result(one.identity())).toBe('accepted')
        const id = `${topic}-t`
        const producer = await client.transactions.init(id, 60_000)
        const stale = client.transactions.commitOffsets(id, producer, before, items)
        expect(await refusalOf(stale)).toBe('group-generation-stale/lost')
        await one.leave()
        await two.leave()
      })

      it('accept a commit during the revocation', async () => {
        const groupId = `${topic}-g`
        let committed = ''
        const one: TestMember = member(groupId, 'one', {
          onRevoke: async () => {
            const items = [{ ...at(0), offset: 3, metadata: '' }]
            const [result] = await client.commitOffsets(one.identity(), items)
            committed = result?.error?.message ?? 'accepted'
          },
        })
        await until(() => one.partitions() === '0,1')
        const two = member(groupId, 'two')
        await until(() => two.events.length === 1)
        expect(committed).toBe('accepted')
        await one.leave()
        await two.leave()
      })
    })
  })
}
