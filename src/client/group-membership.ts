/**
 * A member of a group: the loop that joins, syncs, beats and rejoins, over any coordinator.
 *
 * Journey: coordinator <-> [membership] -> runtime or consumer (`onAssigned`, `onRevoke`, `onLost`).
 *
 * The loop: 1. join, 2. the leader assigns, sync, 3. `onAssigned`, 4. heartbeats until the group
 * changes, 5. `onRevoke` (commits with the old generation still count), again from 1.
 * When the coordinator says the member is out, `onLost` takes the place of 5.
 *
 * Invariants:
 * - `onAssigned` and `onRevoke`/`onLost` alternate, and each is awaited before the next step.
 * - Heartbeats go on while user code works; only a stuck event loop stops them.
 */
import type { Clock } from '../clock.ts'
import type { ClientError, GroupIdentity, GroupMembership, GroupOptions } from './client.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.ts'

const NO_MEMBER = ''
/** A failed step is tried again after this time. */
const RETRY_MS = 100

export interface JoinedGroup {
  readonly memberId: string
  readonly generation: number
  readonly leader: string
  readonly members: readonly {
    readonly memberId: string
    readonly instanceId?: string
    readonly metadata: Uint8Array
  }[]
}

export interface JoinRequest {
  readonly groupId: string
  readonly memberId: string
  readonly instanceId?: string
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Called when a new member has its id and goes on waiting: under it, it can leave. */
  readonly onNamed: (memberId: string) => void
  /** Called when the group changes, where the coordinator says so by itself. */
  readonly onRebalance: () => void
}

/** How the loop reaches the coordinator. Rejections carry a `kind` as `ClientError` does. */
export interface GroupCoordinator {
  readonly clock: Clock
  join(request: JoinRequest): Promise<JoinedGroup>
  sync(
    identity: GroupIdentity,
    assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
  ): Promise<Uint8Array>
  heartbeat(identity: GroupIdentity): Promise<void>
  leave(identity: GroupIdentity): Promise<void>
  /** The member is gone for good. */
  close(): void
}

export class CoordinatedMembership implements GroupMembership {
  identity: GroupIdentity
  readonly #coordinator: GroupCoordinator
  readonly #options: GroupOptions
  #running: Promise<void> | null = null
  #left = false
  #rejoinWanted = false
  /** Ends the pause between two heartbeats. */
  #endPause: () => void = () => {}

  constructor(coordinator: GroupCoordinator, options: GroupOptions) {
    this.#coordinator = coordinator
    this.#options = options
    this.identity = this.#identityOf(NO_MEMBER, -1)
  }

  start(): void {
    if (this.#running !== null) throw new TypeError('the membership was started already')
    this.#running = this.#run().catch((error: unknown) => this.#fail(error))
  }

  rejoin(_reason: string): void {
    this.#rejoinWanted = true
    this.#endPause()
  }

  /** Gives the assignment back (`onRevoke`) and leaves. */
  async leave(): Promise<void> {
    if (this.#left) return
    this.#left = true
    this.#endPause()
    // A member that waits at the barrier gets its answer when it leaves.
    if (this.#joining) await this.#quietlyLeave()
    await this.#running
    await this.#quietlyLeave()
    this.#coordinator.close()
  }

  #joining = false

  async #run(): Promise<void> {
    while (!this.#left) {
      try {
        await this.#joinAndSync()
      } catch (error) {
        if (this.#left) return
        const why = asClientError(error)
        if (why.kind === 'fatal' || why.kind === 'fenced') {
          this.#options.onLost(why)
          return
        }
        if (why.kind === 'lost') this.identity = this.#identityOf(NO_MEMBER, -1)
        if (why.kind !== 'rebalance') await this.#pause(RETRY_MS)
        continue
      }
      const lost = await this.#beat()
      if (lost === null) {
        await this.#options.onRevoke()
      } else {
        this.#options.onLost(lost)
        this.identity = this.#identityOf(NO_MEMBER, -1)
        if (lost.kind === 'fatal' || lost.kind === 'fenced') return
      }
    }
  }

  async #joinAndSync(): Promise<void> {
    const { groupId, instanceId, protocol, topics } = this.#options
    this.#rejoinWanted = false
    const metadata = encodeSubscription({ topics, userData: this.#options.subscriptionUserData() })
    this.#joining = true
    let joined: JoinedGroup
    try {
      joined = await this.#coordinator.join({
        groupId,
        memberId: this.identity.memberId,
        ...(instanceId === undefined ? {} : { instanceId }),
        protocols: [{ name: protocol, metadata }],
        sessionTimeoutMs: this.#options.sessionTimeoutMs,
        rebalanceTimeoutMs: this.#options.rebalanceTimeoutMs,
        onNamed: (memberId) => {
          this.identity = this.#identityOf(memberId, -1)
          if (this.#left) void this.#quietlyLeave()
        },
        onRebalance: () => this.rejoin('the group changes'),
      })
    } finally {
      this.#joining = false
    }
    this.identity = this.#identityOf(joined.memberId, joined.generation)
    const assignments = joined.leader === joined.memberId ? await this.#assign(joined) : []
    const assignment = decodeAssignment(await this.#coordinator.sync(this.identity, assignments))
    await this.#options.onAssigned({ ...assignment, identity: this.identity })
  }

  async #assign(
    joined: JoinedGroup,
  ): Promise<readonly { readonly memberId: string; readonly assignment: Uint8Array }[]> {
    const members = joined.members.map(({ memberId, instanceId, metadata }) => ({
      memberId,
      ...(instanceId === undefined ? {} : { instanceId }),
      ...decodeSubscription(metadata),
    }))
    const assigned = await this.#options.assign(members)
    return assigned.map(({ memberId, partitions, userData }) => ({
      memberId,
      assignment: encodeAssignment({ partitions, userData }),
    }))
  }

  /** Until the group changes (null) or the member is out. */
  async #beat(): Promise<ClientError | null> {
    for (;;) {
      if (this.#left || this.#rejoinWanted) return null
      await this.#pause(this.#options.heartbeatMs)
      if (this.#left || this.#rejoinWanted) return null
      try {
        await this.#coordinator.heartbeat(this.identity)
      } catch (error) {
        const why = asClientError(error)
        if (why.kind === 'rebalance') return null
        if (why.kind !== 'retry') return why
      }
    }
  }

  /** User code threw: the member is out, and others take over what it had. */
  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    this.#options.onLost({
      code: 'processing-failed',
      kind: 'fatal',
      message: `A callback of the group member failed: ${message}`,
    })
    void this.#quietlyLeave()
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#coordinator.clock.after(ms, resolve)
      this.#endPause = () => {
        cancel()
        resolve()
      }
    })
  }

  async #quietlyLeave(): Promise<void> {
    if (this.identity.memberId === NO_MEMBER) return
    // The session ends by itself when the coordinator cannot be told.
    await this.#coordinator.leave(this.identity).catch(() => {})
    this.identity = this.#identityOf(NO_MEMBER, -1)
  }

  #identityOf(memberId: string, generation: number): GroupIdentity {
    const { groupId, instanceId } = this.#options
    return { groupId, memberId, generation, ...(instanceId === undefined ? {} : { instanceId }) }
  }
}

function asClientError(error: unknown): ClientError {
  if (error instanceof Error && 'kind' in error && 'code' in error) {
    return error as unknown as ClientError
  }
  throw error
}
