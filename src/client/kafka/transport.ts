/**
 * The door to kafkajs, which carries bytes: TCP, TLS, SASL with re-authentication, and matching
 * responses to requests. Its producer, consumer, admin, metadata and retries are not used
 * (docs/kafka.md says why).
 *
 * kafkajs has no public way to open one connection. Its `Cluster`, which every partition assigner is
 * given, has the parts; what is used of them stands in the interfaces below, and
 * `test/client/kafka/kafkajs-names.test.ts` pins each. The version is pinned in package.json.
 *
 * Invariants:
 * - One connection is one socket. It never reconnects by itself: once broken it stays broken.
 * - Requests leave in the order of `send`; the broker answers them in that order.
 * - A request that is not answered in time takes the connection with it: nothing later on it could
 *   be answered before.
 */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { ISocketFactoryArgs, KafkaConfig } from 'kafkajs'
import type { Clock } from '../../clock.ts'
import { type ClusterError, errorOf, timedOut, unauthenticated, unreachable } from './errors.ts'

/** Options of `tls.connect`: `ca`, `cert`, `key`, `rejectUnauthorized`, `servername` and others. */
export type TlsOptions = ConnectionOptions

/** How the client proves who it is. The mechanism must be enabled on the broker's listener. */
export type SaslOptions =
  | { readonly mechanism: 'plain'; readonly username: string; readonly password: string }
  | {
      readonly mechanism: 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | {
      readonly mechanism: 'oauthbearer'
      /** Called at each authentication; the token must outlive the connection's session. */
      readonly token: () => Promise<string>
    }

export interface TransportOptions {
  readonly ssl?: boolean | TlsOptions
  readonly sasl?: SaslOptions
  readonly clientId: string
  readonly connectTimeoutMs: number
  readonly clock: Clock
}

export interface Address {
  readonly host: string
  readonly port: number
}

/** A request as bytes. */
export interface WireRequest {
  readonly key: number
  readonly name: string
  readonly version: number
  /** All that follows the client id of the request header. */
  readonly body: Buffer
  /** False for a produce request without acknowledgment. */
  readonly isAnswered: boolean
  readonly timeoutMs: number
}

export interface Connection {
  /** What the broker answers: lowest and highest version by API number. */
  readonly versions: ReadonlyMap<number, readonly [min: number, max: number]>
  readonly isOpen: boolean
  /** All that follows the correlation id of the response header; empty without an answer. */
  send(request: WireRequest): Promise<Buffer>
  /** At once; requests that wait for an answer fail. */
  close(): void
}

/** What is used of kafkajs beyond its public types. */
export interface KafkajsCluster {
  readonly rootLogger: unknown
  readonly connectionPoolBuilder: { build(address: Address): Promise<KafkajsPool> }
  readonly brokerPool: {
    createBroker(options: { connectionPool: KafkajsPool; logger: unknown }): KafkajsBroker
  }
}
export interface KafkajsPool {
  map<T>(each: (connection: KafkajsConnection) => T): T[]
  getConnection(): Promise<KafkajsConnection>
}
export interface KafkajsBroker {
  /** Connects, asks for the broker's versions, authenticates. */
  connect(): Promise<void>
  readonly versions: Readonly<Record<string, { minVersion: number; maxVersion: number }>>
}
export interface KafkajsConnection {
  isConnected(): boolean
  send(request: KafkajsRequest): Promise<Buffer>
  readonly requestQueue: { throttleCheckTimeoutId: unknown }
}
export interface KafkajsRequest {
  readonly request: {
    readonly apiKey: number
    readonly apiName: string
    readonly apiVersion: number
    readonly expectResponse: () => boolean
    readonly encode: () => Promise<{ buf: Buffer; buffer: Buffer }>
  }
  readonly response: {
    readonly decode: (payload: Buffer) => Promise<Buffer>
    readonly parse: (payload: Buffer) => Promise<Buffer>
  }
  readonly logResponseError: boolean
}

const KEEP_ALIVE_MS = 60_000
const NO_BYTES = Buffer.alloc(0)
/**
 * kafkajs asks every millisecond whether requests held back by a quota may go, also when there are
 * none (measured: 5 % of a core for each connection). Brokers since 2.0 hold quotas up by themselves
 * (KIP-219), so that timer is kept from starting: this stands where its handle would.
 */
const NO_TIMER: unknown = Object.freeze({})

/**
 * The parts of a `Cluster`, by the one public way that hands it out. Nothing is connected. kafkajs is
 * loaded here: a program on the included log never pays for it.
 */
export async function clusterOf(config: KafkaConfig): Promise<KafkajsCluster> {
  const { Kafka, logLevel } = await import('kafkajs')
  let captured: unknown
  new Kafka({ ...config, logLevel: logLevel.NOTHING }).consumer({
    groupId: 'unused',
    partitionAssigners: [
      ({ cluster }) => {
        captured = cluster
        return {
          name: 'unused',
          version: 0,
          assign: async () => [],
          protocol: () => ({ name: 'unused', metadata: NO_BYTES }),
        }
      },
    ],
  })
  return captured as KafkajsCluster
}

/**
 * Connects to a broker and authenticates.
 *
 * @throws ClusterError 'cluster-unavailable' (retriable), 'cluster-authentication-failed'
 */
export async function openConnection(
  address: Address,
  options: TransportOptions,
): Promise<Connection> {
  let socket: Socket | null = null
  const cluster = await clusterOf({
    brokers: [`${address.host}:${address.port}`],
    clientId: options.clientId,
    connectionTimeout: options.connectTimeoutMs,
    authenticationTimeout: options.connectTimeoutMs,
    // Deadlines are ours: those of kafkajs have a floor and a timer a connection.
    enforceRequestTimeout: false,
    ...(options.ssl === undefined ? {} : { ssl: options.ssl }),
    ...(options.sasl === undefined ? {} : { sasl: saslOf(options.sasl) }),
    socketFactory: (to) => {
      socket = connectSocket(to)
      return socket
    },
  })
  try {
    const pool = await cluster.connectionPoolBuilder.build(address)
    for (const { requestQueue } of pool.map((connection) => connection)) {
      requestQueue.throttleCheckTimeoutId = NO_TIMER
    }
    const broker = cluster.brokerPool.createBroker({
      connectionPool: pool,
      logger: cluster.rootLogger,
    })
    await inTime(broker.connect(), options, address)
    const connection = await pool.getConnection()
    return new SocketConnection(connection, socket as unknown as Socket, {
      versions: versionsOf(broker),
      clock: options.clock,
      address,
    })
  } catch (error) {
    ;(socket as Socket | null)?.destroy(new Error('given up'))
    throw connectError(error, address)
  }
}

class SocketConnection implements Connection {
  readonly versions: ReadonlyMap<number, readonly [number, number]>
  readonly #connection: KafkajsConnection
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #where: string
  #isClosed = false

  constructor(
    connection: KafkajsConnection,
    socket: Socket,
    about: {
      readonly versions: ReadonlyMap<number, readonly [number, number]>
      readonly clock: Clock
      readonly address: Address
    },
  ) {
    this.#connection = connection
    this.#socket = socket
    this.versions = about.versions
    this.#clock = about.clock
    this.#where = `${about.address.host}:${about.address.port}`
    socket.once('close', () => {
      this.#isClosed = true
    })
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#connection.isConnected()
  }

  send({ key, name, version, body, isAnswered, timeoutMs }: WireRequest): Promise<Buffer> {
    if (!this.isOpen) return Promise.reject(unreachable(`${this.#where} closed the connection`))
    const sent = this.#connection.send({
      request: {
        apiKey: key,
        apiName: name,
        apiVersion: version,
        expectResponse: () => isAnswered,
        encode: async () => ({ buf: body, buffer: body }),
      },
      response: { decode: async (payload) => payload, parse: async (payload) => payload },
      logResponseError: false,
    })
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(timeoutMs, () => {
        reject(timedOut(`${this.#where} did not answer ${name} within ${timeoutMs} ms`))
        this.close()
      })
      sent.then(
        (payload) => {
          cancel()
          resolve(payload ?? NO_BYTES)
        },
        (error: unknown) => {
          cancel()
          this.close()
          reject(requestError(error, this.#where))
        },
      )
    })
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    // Only an error makes kafkajs give up the requests that wait.
    this.#socket.destroy(new Error('the connection was closed'))
  }
}

/** A socket that sends small requests at once (measured: p99 of small produces 4.5 -> 1.7 ms). */
function connectSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
  const servername = isIP(host) === 0 ? { servername: host } : {}
  // kafkajs passes `ssl` on as it was given, `true` included.
  const socket = ssl
    ? connectTls({ host, port, ...servername, ...(typeof ssl === 'object' ? ssl : {}) }, onConnect)
    : connectPlain({ host, port }, onConnect)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  return socket
}

/** Connecting takes a connection, a question for versions and an authentication. */
function inTime(
  connected: Promise<void>,
  { clock, connectTimeoutMs }: TransportOptions,
  { host, port }: Address,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeoutMs = 3 * connectTimeoutMs
    const cancel = clock.after(timeoutMs, () =>
      reject(timedOut(`${host}:${port} could not be connected to within ${timeoutMs} ms`)),
    )
    connected.then(resolve, reject).finally(cancel)
  })
}

function versionsOf({ versions }: KafkajsBroker): Map<number, readonly [number, number]> {
  return new Map(
    Object.entries(versions).map(([key, { minVersion, maxVersion }]) => [
      Number(key),
      [minVersion, maxVersion] as const,
    ]),
  )
}

type KafkajsSasl = NonNullable<KafkaConfig['sasl']>

function saslOf(sasl: SaslOptions): KafkajsSasl {
  // A copy each: kafkajs writes into it.
  if (sasl.mechanism !== 'oauthbearer') return { ...sasl } as KafkajsSasl
  const { mechanism, token } = sasl
  return { mechanism, oauthBearerProvider: async () => ({ value: await token() }) }
}

/** Names of Node's and OpenSSL's errors for a peer that is not trusted, or that speaks no TLS. */
const TLS_ERRORS = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO)/

function connectError(error: unknown, { host, port }: Address): ClusterError {
  if (!(error instanceof Error)) throw error
  if ('reaction' in error) return error as ClusterError
  const { name, message } = error
  const code = 'code' in error ? String(error.code) : ''
  if (name === 'KafkaJSProtocolError') return errorOf(Number(code), {}, message)
  if (name === 'KafkaJSSASLAuthenticationError' || TLS_ERRORS.test(code)) {
    return unauthenticated(`${host}:${port} was not authenticated: ${message}`, error)
  }
  if (name.startsWith('KafkaJS')) return unreachable(`${host}:${port}: ${message}`, error)
  throw error
}

function requestError(error: unknown, where: string): unknown {
  if (!(error instanceof Error)) return error
  if (error.name === 'KafkaJSSASLAuthenticationError') {
    return unauthenticated(`${where} was not authenticated again: ${error.message}`, error)
  }
  return error.name.startsWith('KafkaJS') ? unreachable(`${where}: ${error.message}`, error) : error
}
