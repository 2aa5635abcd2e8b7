/** The membership protocol of one group, with time in the test's hand. */
import { beforeEach, describe, expect, it } from 'vitest'
import { Group, type JoinAnswer, type JoinRequest } from '../../src/broker/group.ts'
import type { Refusal } from '../../src/broker/refusal.ts'
import { HandClock } from './hand-clock.ts'

const clock = new HandClock()
let group: Group

beforeEach(() => {
  group = new Group('g', clock)
})

const join = (memberId = '', more: Partial<JoinRequest> = {}): Promise<JoinAnswer> =>
  group.join({
    groupId: 'g',
    memberId,
    protocols: [{ name: 'p', metadata: Buffer.from(memberId) }],
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 30_000,
    ...more,
  })

const reasonOf = (call: () => unknown): string => {
  try {
    call()
    return 'accepted'
  } catch (error) {
    return (error as Refusal).reason
  }
}

/** Joins and syncs one first member, alone. */
async function first(): Promise<JoinAnswer> {
  const joining = join()
  await clock.advance(0)
  const joined = await joining
  await group.sync({ memberId: joined.memberId, generation: joined.generation, assignments: [] })
  return joined
}

describe('a group', () => {
  it('lets those who start in one turn into one generation, and the first of them lead', async () => {
    const joining = [join(), join(), join()]
    await clock.advance(0)
    const joined = await Promise.all(joining)
    expect(joined.map(({ generation }) => generation)).toEqual([1, 1, 1])
    expect(joined.map(({ members }) => members.length)).toEqual([3, 0, 0])
    expect(new Set(joined.map(({ leader }) => leader)).size).toBe(1)
  })

  it('hands the leader’s assignments out, whoever asks first', async () => {
    const joining = [join(), join()]
    await clock.advance(0)
    const [leader, other] = (await Promise.all(joining)) as [JoinAnswer, JoinAnswer]
    const waiting = group.sync({ memberId: other.memberId, generation: 1, assignments: [] })
    const assignments = [leader, other].map(({ memberId }) => ({
      memberId,
      assignment: Buffer.from(memberId),
    }))
    const own = await group.sync({ memberId: leader.memberId, generation: 1, assignments })
    expect([own, await waiting].map(String)).toEqual([leader.memberId, other.memberId])
  })

  it('waits for every member before the next generation, and tells them at once', async () => {
    let told = 0
    const joining = join('', { onRebalance: () => told++ })
    await clock.advance(0)
    const one = await joining
    await group.sync({ memberId: one.memberId, generation: 1, assignments: [] })
    const second = join()
    expect(told).toBe(1)
    expect(reasonOf(() => group.heartbeat(one.memberId, 1))).toBe('rebalance-in-progress')
    expect(reasonOf(() => group.checkCommit(one.memberId, 1))).toBe('accepted')
    const again = join(one.memberId)
    expect([(await again).generation, (await second).generation]).toEqual([2, 2])
    expect(reasonOf(() => group.checkCommit(one.memberId, 1))).toBe('illegal-generation')
  })

  it('goes on without a member that does not come back in time', async () => {
    const one = await first()
    const second = join('', { rebalanceTimeoutMs: 30_000 })
    for (let waited = 0; waited < 30_000; waited += 5000) {
      reasonOf(() => group.heartbeat(one.memberId, 1))
      await clock.advance(5000)
    }
    expect((await second).members.length).toBe(1)
    expect(reasonOf(() => group.heartbeat(one.memberId, 1))).toBe('unknown-member')
  })

  it('drops a member whose session is over, and keeps one that beats', async () => {
    const one = await first()
    await clock.advance(9000)
    group.heartbeat(one.memberId, 1)
    await clock.advance(9000)
    expect(group.size).toBe(1)
    await clock.advance(2000)
    expect([group.size, group.state]).toEqual([0, 'empty'])
  })

  it('keeps a member that waits at the barrier, however long', async () => {
    const one = await first()
    const second = join('', { sessionTimeoutMs: 1000 })
    for (let waited = 0; waited < 6; waited++) {
      await clock.advance(1500)
      reasonOf(() => group.heartbeat(one.memberId, 1))
    }
    const again = join(one.memberId)
    expect((await second).generation).toBe(2)
    await again
  })

  it('gives a static member that starts again its place, and fences the one before', async () => {
    const joining = join('', { instanceId: 'i' })
    await clock.advance(0)
    const before = await joining
    const again = await join('', { instanceId: 'i' })
    expect(group.size).toBe(1)
    expect(again.memberId).not.toBe(before.memberId)
    expect(reasonOf(() => group.heartbeat(before.memberId, before.generation))).toBe(
      'unknown-member',
    )
  })

  it('refuses a member that shares no assignment protocol with the others', async () => {
    await first()
    const protocols = [{ name: 'q', metadata: Buffer.alloc(0) }]
    expect(reasonOf(() => join('', { protocols }))).toBe('inconsistent-protocol')
  })

  it('starts with a higher generation after it was empty', async () => {
    const one = await first()
    group.leave(one.memberId)
    expect(group.state).toBe('empty')
    expect((await first()).generation).toBeGreaterThan(1)
  })
})
