/**
 * The names of kafkajs that are used beyond its public types, each with what is relied on. If one
 * fails after an update of kafkajs, `src/client/kafka/transport.ts` has to follow.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import kafkajsJson from '../../../node_modules/kafkajs/package.json' with { type: 'json' }
import packageJson from '../../../package.json' with { type: 'json' }
import { clusterOf, openConnection } from '../../../src/client/kafka/transport.ts'
import { systemClock } from '../../../src/clock.ts'
import { RequestHeader } from '../../../src/protocol/headers.ts'
import { Heartbeat } from '../../../src/protocol/messages/12-heartbeat.ts'
import { ApiVersions } from '../../../src/protocol/messages/18-api-versions.ts'

/** A broker of two requests: tells its versions, and answers what `answer` says, or nothing. */
class TinyBroker {
  readonly requests: { key: number; version: number; clientId: string | null; body: Buffer }[] = []
  readonly sockets: Socket[] = []
  answer: ((body: Buffer) => Buffer) | null = null
  #server: Server | null = null

  async listen(): Promise<number> {
    const server = createServer((socket) => this.#serve(socket))
    this.#server = server
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.#server?.close()
  }

  #serve(socket: Socket): void {
    this.sockets.push(socket)
    socket.on('error', () => {})
    let pending = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
        const end = 4 + pending.readInt32BE(0)
        this.#request(socket, pending.subarray(4, end))
        pending = pending.subarray(end)
      }
    })
  }

  #request(socket: Socket, bytes: Buffer): void {
    const header = RequestHeader.decode(bytes, 1)
    const { requestApiKey: key, requestApiVersion: version, correlationId, clientId } = header
    const body = bytes.subarray(10 + (clientId?.length ?? 0))
    this.requests.push({ key, version, clientId, body })
    if (key === ApiVersions.key) {
      const apiKeys = [
        { apiKey: ApiVersions.key, minVersion: 0, maxVersion: 4 },
        { apiKey: Heartbeat.key, minVersion: 0, maxVersion: 4 },
      ]
      const response = { errorCode: 0, apiKeys, throttleTimeMs: 0 }
      reply(socket, correlationId, ApiVersions.response.encode(response, version))
    } else if (this.answer !== null) {
      reply(socket, correlationId, this.answer(body))
    }
  }
}

function reply(socket: Socket, correlationId: number, body: Buffer): void {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + body.length, 0)
  head.writeInt32BE(correlationId, 4)
  socket.write(Buffer.concat([head, body]))
}

describe('what is used of kafkajs', () => {
  const broker = { current: new TinyBroker() }
  let port = 0

  beforeEach(async () => {
    broker.current = new TinyBroker()
    port = await broker.current.listen()
  })
  afterEach(() => broker.current.close())

  const options = { clientId: 'tiny', connectTimeoutMs: 2000, clock: systemClock }
  const open = () => openConnection({ host: '127.0.0.1', port }, options)
  const heartbeat = {
    key: Heartbeat.key,
    name: 'Heartbeat',
    version: 4,
    body: Buffer.from('0123'),
    isAnswered: true,
    timeoutMs: 2000,
  }

  it('is of the version that was measured and read', () => {
    expect(packageJson.dependencies.kafkajs).toBe('2.2.4')
    expect(kafkajsJson.version).toBe('2.2.4')
  })

  it('hands its cluster to a partition assigner, with the parts that are used', async () => {
    const cluster = await clusterOf({ brokers: ['127.0.0.1:1'] })
    expect(cluster.rootLogger).toBeTypeOf('object')
    expect(cluster.brokerPool.createBroker).toBeTypeOf('function')
    const pool = await cluster.connectionPoolBuilder.build({ host: '127.0.0.1', port: 1 })
    expect(pool.getConnection).toBeTypeOf('function')
    const queues = pool.map((connection) => connection.requestQueue)
    expect(queues.length).toBeGreaterThan(0)
    for (const queue of queues) expect(queue.throttleCheckTimeoutId).toBe(null)
    const created = cluster.brokerPool.createBroker({
      connectionPool: pool,
      logger: cluster.rootLogger,
    })
    expect(created.connect).toBeTypeOf('function')
  })

  it('asks a broker for its versions and tells them by number', async () => {
    const connection = await open()
    expect([...connection.versions]).toEqual([
      [Heartbeat.key, [0, 4]],
      [ApiVersions.key, [0, 4]],
    ])
    connection.close()
  })

  it('frames a body that is ours behind its header, and hands back the payload as it came', async () => {
    const connection = await open()
    broker.current.answer = (body) => Buffer.concat([Buffer.from('answer to '), body])
    expect((await connection.send(heartbeat)).toString()).toBe('answer to 0123')
    const { key, version, clientId, body } = broker.current.requests.at(-1)!
    expect([key, version, clientId, body.toString()]).toEqual([12, 4, 'tiny', '0123'])
    connection.close()
  })

  it('does not wait for an answer where there is none', async () => {
    const connection = await open()
    expect(await connection.send({ ...heartbeat, isAnswered: false })).toEqual(Buffer.alloc(0))
    connection.close()
  })

  it('rejects what waits when the connection breaks, on either side, and stays broken', async () => {
    for (const breaks of ['here', 'there'] as const) {
      const connection = await open()
      const waiting = connection.send(heartbeat).catch((error) => error.code)
      if (breaks === 'here') connection.close()
      else for (const socket of broker.current.sockets) socket.destroy()
      expect(await waiting).toBe('cluster-unavailable')
      expect(connection.isOpen).toBe(false)
      await expect(connection.send(heartbeat)).rejects.toMatchObject({ kind: 'retry' })
    }
  })

  it('gives a request up after its own time, and the connection with it', async () => {
    const connection = await open()
    const started = performance.now()
    const late = connection.send({ ...heartbeat, timeoutMs: 50 })
    await expect(late).rejects.toMatchObject({ code: 'request-timed-out', kind: 'retry' })
    expect(performance.now() - started).toBeLessThan(1000)
    expect(connection.isOpen).toBe(false)
  })

  it('tells a port without a listener from one without an answer', async () => {
    broker.current.close()
    await expect(open()).rejects.toMatchObject({ code: 'cluster-unavailable', kind: 'retry' })
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address() as { port: number }
    const opening = openConnection(
      { host: '127.0.0.1', port: address.port },
      { ...options, connectTimeoutMs: 50 },
    )
    await expect(opening).rejects.toMatchObject({ kind: 'retry' })
    silent.close()
  })

  it('leaves no timer behind that asks every millisecond (5 % of a core each)', async () => {
    const connection = await open()
    broker.current.answer = (body) => body
    await connection.send(heartbeat)
    const timers = vi.spyOn(globalThis, 'setTimeout')
    await new Promise((resolve) => setTimeout(resolve, 100))
    const { length } = timers.mock.calls
    timers.mockRestore()
    expect(length).toBeLessThan(5)
    connection.close()
  })
})
