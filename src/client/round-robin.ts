/**
 * Shares the partitions of topics among the members of a group, in turn (Kafka's `roundrobin`).
 *
 * Invariant: the same members and topics give the same assignment, whoever computes it.
 */
import type { GroupMember, MemberAssignment, TopicDescription, TopicPartition } from './client.ts'

const NO_BYTES: Uint8Array = new Uint8Array(0)

export function assignRoundRobin(
  members: readonly GroupMember[],
  topics: readonly TopicDescription[],
): MemberAssignment[] {
  const order = [...members].sort((one, other) => compare(one.memberId, other.memberId))
  const shares = new Map<string, TopicPartition[]>(order.map(({ memberId }) => [memberId, []]))
  let turn = 0
  for (const { topic, partitions } of [...topics].sort((a, b) => compare(a.topic, b.topic))) {
    for (const { partition } of partitions) {
      for (let tried = 0; tried < order.length; tried++) {
        const member = order[turn++ % order.length] as GroupMember
        if (!member.topics.includes(topic)) continue
        shares.get(member.memberId)?.push({ topic, partition })
        break
      }
    }
  }
  return order.map(({ memberId }) => ({
    memberId,
    partitions: shares.get(memberId) ?? [],
    userData: NO_BYTES,
  }))
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
