/**
 * A group's coordinator on a cluster, for the membership loop of `group-membership.ts`.
 *
 * Journey: membership <-> [coordinator] <-> broker.
 *
 * A JoinGroup waits at the broker until all members have joined, and everything behind it on its
 * connection waits too: so a member joins on a lane of its own, and leaves and commits on another.
 */
import type { Clock } from '../../clock.ts'
import { ERROR_NUMBERS } from '../../protocol/error-codes.ts'
import { JoinGroup } from '../../protocol/messages/11-join-group.ts'
import { Heartbeat } from '../../protocol/messages/12-heartbeat.ts'
import { LeaveGroup } from '../../protocol/messages/13-leave-group.ts'
import { SyncGroup } from '../../protocol/messages/14-sync-group.ts'
import type { GroupIdentity } from '../client.ts'
import type { GroupCoordinator, JoinedGroup, JoinRequest } from '../group-membership.ts'
import type { Cluster } from './cluster.ts'
import { clusterErrorOf, errorOf } from './errors.ts'
import { CONTROL_LANE } from './metadata.ts'
import type { Address } from './transport.ts'

/**
 * The envelope of subscriptions and assignments is that of consumers. With this type a broker reads
 * it, and never answers a JoinGroup whose metadata is anything else (seen on Kafka 4.3).
 */
const PROTOCOL_TYPE = 'consumer'

export class ClusterGroup implements GroupCoordinator {
  readonly clock: Clock
  readonly #cluster: Cluster
  readonly #lane: string
  #protocol = ''
  #rebalanceTimeoutMs = 0

  constructor(cluster: Cluster, groupId: string) {
    this.#cluster = cluster
    this.clock = cluster.clock
    this.#lane = cluster.connections.lease(`group ${groupId}`)
  }

  async join(join: JoinRequest): Promise<JoinedGroup> {
    const { groupId, instanceId, protocols, sessionTimeoutMs, rebalanceTimeoutMs } = join
    this.#protocol = protocols[0]?.name ?? ''
    this.#rebalanceTimeoutMs = rebalanceTimeoutMs
    let { memberId } = join
    const response = await this.#onCoordinator(groupId, async (address) => {
      for (;;) {
        const request = {
          groupId,
          memberId,
          groupInstanceId: instanceId ?? null,
          protocolType: PROTOCOL_TYPE,
          protocols,
          sessionTimeoutMs,
          rebalanceTimeoutMs,
        }
        const options = { waitMs: rebalanceTimeoutMs }
        const answer = await this.#cluster.call(this.#lane, address, {
          api: JoinGroup,
          request,
          options,
        })
        if (answer.errorCode === ERROR_NUMBERS.NONE) return answer
        if (answer.errorCode !== ERROR_NUMBERS.MEMBER_ID_REQUIRED) {
          throw errorOf(answer.errorCode, { group: groupId })
        }
        // KIP-394: a new member is named first, and joins under that name.
        memberId = answer.memberId
        join.onNamed(memberId)
      }
    })
    return {
      memberId: response.memberId,
      generation: response.generationId,
      // A static leader that came back keeps the assignment that is (KIP-814).
      leader: response.skipAssignment ? '' : response.leader,
      members: response.members.map(({ memberId: id, groupInstanceId, metadata }) => ({
        memberId: id,
        ...(groupInstanceId === null ? {} : { instanceId: groupInstanceId }),
        metadata,
      })),
    }
  }

  async sync(
    identity: GroupIdentity,
    assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
  ): Promise<Uint8Array> {
    const { groupId } = identity
    const request = {
      ...memberOf(identity),
      protocolType: PROTOCOL_TYPE,
      protocolName: this.#protocol,
      assignments,
    }
    return this.#onCoordinator(groupId, async (address) => {
      const { errorCode, assignment } = await this.#cluster.call(this.#lane, address, {
        api: SyncGroup,
        request,
        options: { waitMs: this.#rebalanceTimeoutMs },
      })
      if (errorCode !== ERROR_NUMBERS.NONE) throw errorOf(errorCode, { group: groupId })
      return assignment
    })
  }

  /** One attempt: the next heartbeat is the next one. */
  async heartbeat(identity: GroupIdentity): Promise<void> {
    const group = { type: 'group', id: identity.groupId } as const
    try {
      const address = await this.#cluster.coordinator(group)
      const request = memberOf(identity)
      const { errorCode } = await this.#cluster.call(this.#lane, address, {
        api: Heartbeat,
        request,
      })
      if (errorCode !== ERROR_NUMBERS.NONE) throw errorOf(errorCode, { group: identity.groupId })
    } catch (thrown) {
      const error = clusterErrorOf(thrown)
      if (error.kind === 'retry') this.#cluster.forgetCoordinator(group)
      throw error
    }
  }

  async leave({ groupId, memberId, instanceId }: GroupIdentity): Promise<void> {
    const address = await this.#cluster.coordinator({ type: 'group', id: groupId })
    const request = {
      groupId,
      members: [{ memberId, groupInstanceId: instanceId ?? null }],
    }
    await this.#cluster.call(CONTROL_LANE, address, { api: LeaveGroup, request })
  }

  /** The member is gone for good: its lane is closed. */
  close(): void {
    this.#cluster.connections.closeLane(this.#lane)
  }

  #onCoordinator<T>(groupId: string, call: (address: Address) => Promise<T>): Promise<T> {
    return this.#cluster.onCoordinator({ type: 'group', id: groupId }, call)
  }
}

function memberOf({ groupId, generation, memberId, instanceId }: GroupIdentity): {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
} {
  return { groupId, generationId: generation, memberId, groupInstanceId: instanceId ?? null }
}
