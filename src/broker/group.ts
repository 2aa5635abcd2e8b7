/**
 * One group of consumers: who is in it, which generation it is in, and the barrier all members pass
 * when it changes (Kafka's classic protocol).
 *
 *   empty --join--> preparing --all joined--> completing --leader synced--> stable
 *                      ^----------------- join, leave, session over --------------/
 *
 * Invariants:
 * - A generation is handed out only when every member has joined again or is gone, so two members
 *   never hold the same partition in good faith.
 * - Commits of the last generation are accepted until the next one starts (`preparing` included).
 * - A static member (`instanceId`) that comes back inside its session takes its place again.
 *
 * @see Kafka: GroupCoordinator, and KIP-345 for static members
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { Refusal, type RefusalReason } from './refusal.ts'

export interface JoinRequest {
  readonly groupId: string
  /** Empty for a new member. */
  readonly memberId: string
  readonly instanceId?: string
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** Called when the member has to join again; saves it the wait for its next heartbeat. */
  readonly onRebalance?: () => void
}

export interface JoinedMember {
  readonly memberId: string
  readonly instanceId?: string
  readonly metadata: Uint8Array
}

export interface JoinAnswer {
  readonly memberId: string
  readonly generation: number
  readonly protocol: string
  readonly leader: string
  /** For the leader only; others get none. */
  readonly members: readonly JoinedMember[]
}

export interface SyncRequest {
  readonly memberId: string
  readonly generation: number
  /** From the leader only. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
}

export type GroupState = 'empty' | 'preparing' | 'completing' | 'stable'

interface Waiting<T> {
  resolve(value: T): void
  reject(error: Refusal): void
}

interface Member {
  readonly memberId: string
  request: JoinRequest
  assignment: Uint8Array
  joining: Waiting<JoinAnswer> | null
  syncing: Waiting<Uint8Array> | null
  cancelSession: (() => void) | null
}

const NO_BYTES: Uint8Array = new Uint8Array(0)

export class Group {
  readonly groupId: string
  state: GroupState = 'empty'
  generation = 0
  readonly #clock: Clock
  readonly #members = new Map<string, Member>()
  #leader = ''
  #protocol = ''
  #cancelBarrier: (() => void) | null = null

  constructor(groupId: string, clock: Clock) {
    this.groupId = groupId
    this.#clock = clock
  }

  get size(): number {
    return this.#members.size
  }

  /** Resolves when the barrier is passed. */
  join(request: JoinRequest): Promise<JoinAnswer> {
    const member = this.#memberOf(request)
    member.request = request
    const stale = this.#refusal('rebalance-in-progress', 'The member joined a second time')
    member.joining?.reject(stale)
    return new Promise((resolve, reject) => {
      member.joining = { resolve, reject }
      this.#keepAlive(member)
      this.#prepare(member)
      this.#passBarrierWhenAllJoined()
    })
  }

  /** The member's assignment, once the leader has sent them all. */
  sync(request: SyncRequest): Promise<Uint8Array> {
    const member = this.#current(request.memberId, request.generation)
    if (this.state === 'preparing') throw this.#rebalancing()
    this.#keepAlive(member)
    if (this.state === 'stable') return Promise.resolve(member.assignment)
    const synced = new Promise<Uint8Array>((resolve, reject) => {
      member.syncing = { resolve, reject }
    })
    if (member.memberId === this.#leader) this.#handOut(request)
    return synced
  }

  /** @throws Refusal 'rebalance-in-progress' when the member must join again, or why it is out */
  heartbeat(memberId: string, generation: number): void {
    const member = this.#current(memberId, generation)
    this.#keepAlive(member)
    if (this.state === 'preparing') throw this.#rebalancing()
  }

  leave(memberId: string): void {
    const member = this.#members.get(memberId)
    if (member === undefined) return
    this.#remove(member, this.#refusal('unknown-member', 'The member left the group'))
  }

  /** Refuses commits of members that are out, and of generations that are over. */
  checkCommit(memberId: string, generation: number): void {
    if (generation < 0 && memberId === '') {
      if (this.#members.size === 0) return
      throw this.#refusal(
        'unknown-member',
        'The group has members; only they commit. Stop them, or use another group',
      )
    }
    this.#keepAlive(this.#current(memberId, generation))
  }

  describe(): { readonly memberId: string; readonly instanceId?: string }[] {
    return [...this.#members.values()].map(({ memberId, request: { instanceId } }) =>
      instanceId === undefined ? { memberId } : { memberId, instanceId },
    )
  }

  close(): void {
    const closed = new Refusal('closed', 'The log was closed', { group: this.groupId })
    this.#cancelBarrier?.()
    for (const member of [...this.#members.values()]) {
      member.cancelSession?.()
      member.joining?.reject(closed)
      member.syncing?.reject(closed)
    }
    this.#members.clear()
  }

  #memberOf(request: JoinRequest): Member {
    if (!request.protocols.some(({ name }) => this.#supportedByAll(name, request.memberId))) {
      throw this.#refusal(
        'inconsistent-protocol',
        `The assignment protocols ${request.protocols.map(({ name }) => name).join(', ')} are not those of the other members; use one that all share`,
      )
    }
    if (request.memberId !== '') {
      const member = this.#members.get(request.memberId)
      if (member !== undefined) return member
      throw this.#refusal('unknown-member', 'The member is not in the group; join as a new one')
    }
    this.#replaceInstance(request.instanceId)
    const member: Member = {
      memberId: `${request.instanceId ?? 'member'}-${randomUUID()}`,
      request,
      assignment: NO_BYTES,
      joining: null,
      syncing: null,
      cancelSession: null,
    }
    this.#members.set(member.memberId, member)
    return member
  }

  /** A static member that starts again takes the place of its earlier self, which is fenced. */
  #replaceInstance(instanceId: string | undefined): void {
    if (instanceId === undefined) return
    for (const member of this.#members.values()) {
      if (member.request.instanceId !== instanceId) continue
      const fenced = this.#refusal('fenced-instance', `Another member uses the id ${instanceId}`)
      member.cancelSession?.()
      member.joining?.reject(fenced)
      member.syncing?.reject(fenced)
      this.#members.delete(member.memberId)
      if (this.#leader === member.memberId) this.#leader = ''
    }
  }

  #supportedByAll(protocol: string, except: string): boolean {
    for (const { memberId, request } of this.#members.values()) {
      if (memberId !== except && !request.protocols.some(({ name }) => name === protocol)) {
        return false
      }
    }
    return true
  }

  #prepare(cause: Member | null): void {
    if (this.state === 'preparing') return
    const first = this.state === 'empty'
    this.state = 'preparing'
    for (const member of this.#members.values()) {
      member.syncing?.reject(this.#rebalancing())
      member.syncing = null
    }
    for (const member of this.#members.values()) {
      if (member !== cause && member.joining === null) member.request.onRebalance?.()
    }
    // A first member waits for the end of this turn, so that those started with it come along.
    const wait = first ? 0 : this.#rebalanceTimeoutMs()
    this.#cancelBarrier = this.#clock.after(wait, () => {
      this.#cancelBarrier = null
      this.#dropThoseWhoDidNotJoin()
      this.#passBarrierWhenAllJoined()
    })
    this.#firstRound = first
  }

  #firstRound = false

  #rebalanceTimeoutMs(): number {
    let longest = 0
    for (const { request } of this.#members.values()) {
      longest = Math.max(longest, request.rebalanceTimeoutMs)
    }
    return longest
  }

  #dropThoseWhoDidNotJoin(): void {
    this.#firstRound = false
    for (const member of [...this.#members.values()]) {
      if (member.joining !== null) continue
      member.cancelSession?.()
      this.#members.delete(member.memberId)
    }
  }

  #passBarrierWhenAllJoined(): void {
    if (this.state !== 'preparing' || this.#firstRound) return
    for (const member of this.#members.values()) if (member.joining === null) return
    this.#cancelBarrier?.()
    this.#cancelBarrier = null
    this.generation++
    if (this.#members.size === 0) {
      this.state = 'empty'
      return
    }
    this.state = 'completing'
    if (!this.#members.has(this.#leader)) {
      this.#leader = this.#members.keys().next().value as string
    }
    this.#protocol = this.#chooseProtocol()
    for (const member of this.#members.values()) this.#answerJoin(member)
  }

  #chooseProtocol(): string {
    const leader = this.#members.get(this.#leader) as Member
    const shared = leader.request.protocols.find(({ name }) => this.#supportedByAll(name, ''))
    return shared?.name ?? ''
  }

  #answerJoin(member: Member): void {
    const joining = member.joining
    member.joining = null
    this.#keepAlive(member)
    joining?.resolve({
      memberId: member.memberId,
      generation: this.generation,
      protocol: this.#protocol,
      leader: this.#leader,
      members: member.memberId === this.#leader ? this.#joinedMembers() : [],
    })
  }

  #joinedMembers(): JoinedMember[] {
    return [...this.#members.values()].map(({ memberId, request: { instanceId, protocols } }) => {
      const metadata = protocols.find(({ name }) => name === this.#protocol)?.metadata ?? NO_BYTES
      return instanceId === undefined ? { memberId, metadata } : { memberId, instanceId, metadata }
    })
  }

  #handOut({ assignments }: SyncRequest): void {
    const byMember = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]))
    this.state = 'stable'
    for (const member of this.#members.values()) {
      member.assignment = byMember.get(member.memberId) ?? NO_BYTES
      member.syncing?.resolve(member.assignment)
      member.syncing = null
    }
  }

  /** A member that waits at the barrier is alive; others have their session. */
  #keepAlive(member: Member): void {
    member.cancelSession?.()
    member.cancelSession = this.#clock.after(member.request.sessionTimeoutMs, () => {
      if (member.joining !== null || member.syncing !== null) this.#keepAlive(member)
      else this.#remove(member, this.#refusal('unknown-member', 'The session is over'))
    })
  }

  #remove(member: Member, why: Refusal): void {
    member.cancelSession?.()
    this.#members.delete(member.memberId)
    member.joining?.reject(why)
    member.syncing?.reject(why)
    if (this.#members.size === 0) {
      this.#cancelBarrier?.()
      this.#cancelBarrier = null
      this.#firstRound = false
      this.state = 'empty'
      return
    }
    this.#prepare(null)
    this.#passBarrierWhenAllJoined()
  }

  #current(memberId: string, generation: number): Member {
    const member = this.#members.get(memberId)
    if (member === undefined) {
      throw this.#refusal('unknown-member', 'The member is no longer in the group; join again')
    }
    if (generation !== this.generation) {
      throw this.#refusal(
        'illegal-generation',
        `Generation ${generation} is over, the group is in ${this.generation}; join again`,
      )
    }
    return member
  }

  #rebalancing(): Refusal {
    return this.#refusal('rebalance-in-progress', 'The group is rebalancing; join again')
  }

  #refusal(reason: RefusalReason, message: string): Refusal {
    return new Refusal(reason, message, { group: this.groupId })
  }
}
