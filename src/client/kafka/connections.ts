/**
 * The connections to a cluster, one for each lane and broker, opened when first used.
 *
 * A broker answers one request of a connection at a time: behind a fetch that waits for data, or a
 * JoinGroup that waits for members, everything else would wait too. So what may wait long has a lane
 * of its own, and no lane waits for another.
 *
 * Invariants:
 * - One attempt to connect at a time for a lane and broker; a broken connection is replaced at the
 *   next call.
 * - A leased lane belongs to one holder; given back in order, its connections serve the next one.
 */
import type { Api } from '../../protocol/api.ts'
import type { Fields, ReadFields, WrittenFields } from '../../protocol/fields.ts'
import { skipHeaderTags } from '../../protocol/headers.ts'
import { MessageReader } from '../../protocol/message-reader.ts'
import { MessageWriter } from '../../protocol/message-writer.ts'
import { closedError } from './errors.ts'
import {
  type Address,
  type Connection,
  openConnection,
  type TransportOptions,
} from './transport.ts'
import { versionFor } from './versions.ts'

/** Where a call goes. */
export interface Destination {
  readonly lane: string
  readonly address: Address
}

export interface CallOptions {
  /** How long the broker may take, beyond the margin that every request gets. */
  readonly waitMs?: number
  /** Bytes of the request, roughly, when they are many. */
  readonly bytes?: number
}

export interface ConnectionsOptions extends TransportOptions {
  readonly requestTimeoutMs: number
}

/** What happened on all connections since the client was made. */
export interface ConnectionCounts {
  requests: number
  connects: number
  /** Connections that could not be made, and requests without an answer. */
  failures: number
}

const REQUEST_BYTES = 256

export class Connections {
  readonly counts: ConnectionCounts = { requests: 0, connects: 0, failures: 0 }
  readonly #options: ConnectionsOptions
  readonly #open = new Map<string, Connection>()
  readonly #opening = new Map<string, Promise<Connection>>()
  readonly #free = new Map<string, string[]>()
  #leases = 0
  #isClosed = false

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  /** Sends a request and decodes its response; whether that carries errors is the caller's business. */
  async call<Q extends Fields, S extends Fields>(
    destination: Destination,
    api: Api<Q, S>,
    request: WrittenFields<Q>,
    options: CallOptions = {},
  ): Promise<ReadFields<S>> {
    const connection = this.#ready(destination) ?? (await this.#connect(destination))
    const version = versionFor(api, connection.versions)
    const payload = await this.#send(connection, api, { request, version, options })
    const reader = new MessageReader(payload)
    if (version >= api.flexible) skipHeaderTags(reader)
    return api.response.read(reader, version)
  }

  /** Sends a request that is not answered. */
  async tell<Q extends Fields, S extends Fields>(
    destination: Destination,
    api: Api<Q, S>,
    request: WrittenFields<Q>,
    options: CallOptions = {},
  ): Promise<void> {
    const connection = this.#ready(destination) ?? (await this.#connect(destination))
    const version = versionFor(api, connection.versions)
    await this.#send(connection, api, { request, version, options, isAnswered: false })
  }

  /** True when a call on that lane needs no new connection. */
  isOpen(destination: Destination): boolean {
    return this.#ready(destination) !== null
  }

  /** A lane that nobody else uses until it is given back. */
  lease(kind: string): string {
    return this.#free.get(kind)?.pop() ?? `${kind}#${this.#leases++}`
  }

  /** Gives a leased lane back. One with requests under way is closed, not lent again. */
  release(kind: string, lane: string, isIdle: boolean): void {
    const free = this.#free.get(kind)
    if (!isIdle) this.closeLane(lane)
    else if (free === undefined) this.#free.set(kind, [lane])
    else free.push(lane)
  }

  closeLane(lane: string): void {
    for (const [key, connection] of this.#open) {
      if (!key.startsWith(`${lane} `)) continue
      connection.close()
      this.#open.delete(key)
    }
    for (const [key, opening] of this.#opening) {
      if (!key.startsWith(`${lane} `)) continue
      opening.then(
        () => this.closeLane(lane),
        () => {},
      )
    }
  }

  /** Closes everything at once; calls fail from now on. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#open.values()) connection.close()
    this.#open.clear()
    this.#free.clear()
  }

  async #send<Q extends Fields, S extends Fields>(
    connection: Connection,
    api: Api<Q, S>,
    what: {
      readonly request: WrittenFields<Q>
      readonly version: number
      readonly options: CallOptions
      readonly isAnswered?: boolean
    },
  ): Promise<Buffer> {
    const { request, version, options, isAnswered = true } = what
    const writer = new MessageWriter((options.bytes ?? 0) + REQUEST_BYTES)
    // A flexible request header ends with its tagged fields; there are none.
    if (version >= api.flexible) writer.writeUvarint(0)
    api.request.write(writer, request, version)
    this.counts.requests++
    try {
      return await connection.send({
        key: api.key,
        name: api.name,
        version,
        body: writer.take(),
        isAnswered,
        timeoutMs: this.#options.requestTimeoutMs + (options.waitMs ?? 0),
      })
    } catch (error) {
      this.counts.failures++
      throw this.#isClosed ? closedError() : error
    }
  }

  #ready(destination: Destination): Connection | null {
    const connection = this.#open.get(keyOf(destination))
    return connection?.isOpen === true ? connection : null
  }

  async #connect(destination: Destination): Promise<Connection> {
    if (this.#isClosed) throw closedError()
    const key = keyOf(destination)
    const opening = this.#opening.get(key) ?? this.#openNew(key, destination.address)
    return opening
  }

  #openNew(key: string, address: Address): Promise<Connection> {
    this.counts.connects++
    const opening = openConnection(address, this.#options)
      .then(
        (connection) => {
          if (this.#isClosed) {
            connection.close()
            throw closedError()
          }
          this.#open.set(key, connection)
          return connection
        },
        (error: unknown) => {
          this.counts.failures++
          throw error
        },
      )
      .finally(() => this.#opening.delete(key))
    this.#opening.set(key, opening)
    return opening
  }
}

function keyOf({ lane, address }: Destination): string {
  return `${lane} ${address.host}:${address.port}`
}
