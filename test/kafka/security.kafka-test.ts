/** TLS, SASL and their failures, on listeners of a real broker. */
import { type KafkaOptions, kafka, type SaslOptions, text } from 'millrace'
import { describe, expect, it } from 'vitest'
import { brokers, certificate, hasListeners } from './brokers.ts'
import { PASSWORD, USER } from './cluster.ts'

/** A session of the SCRAM-SHA-512 listener ends after this (connections.max.reauth.ms). */
const SESSION_MS = 11_000

let count = 0

/** Writes a record and reads it back, over connections of all kinds. */
async function roundTrip(options: KafkaOptions): Promise<string | null> {
  await using log = kafka(options)
  const topic = `security-${process.pid}-${count++}`
  await log.admin.createTopics([{ topic, partitions: 1 }])
  await using producer = log.producer({ value: text })
  await producer.send({ topic, value: 'hello' })
  await using consumer = log.consumer({ topics: [topic], value: text })
  const batch = await consumer.next()
  return batch?.records[0]?.value ?? null
}

/** An unsecured token of OAUTHBEARER, as the broker of the tests takes it. */
function unsecuredToken(subject: string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now, exp: now + 600 })}.`
}

const own = { username: USER, password: PASSWORD }
const impatient = { retryTimeout: '2s', connectTimeout: '1s' } as const

describe.runIf(hasListeners())('a cluster is reached', () => {
  it('over TLS, with the authority that signed its certificate', async () => {
    const tls = { brokers: brokers('TLS'), ssl: { ca: certificate() } }
    expect(await roundTrip(tls)).toBe('hello')
  })

  it.each<SaslOptions>([
    { mechanism: 'plain', ...own },
    { mechanism: 'scram-sha-256', ...own },
    { mechanism: 'scram-sha-512', ...own },
  ])('with SASL, $mechanism', async (sasl) => {
    expect(await roundTrip({ brokers: brokers('SASL'), sasl })).toBe('hello')
  })

  it('with SASL, oauthbearer', async () => {
    const sasl = { mechanism: 'oauthbearer', token: async () => unsecuredToken(USER) } as const
    expect(await roundTrip({ brokers: brokers('OAUTH'), sasl })).toBe('hello')
  })

  it('for longer than a session lasts: it is authenticated again under way', async () => {
    const sasl = { mechanism: 'scram-sha-512', ...own } as const
    await using log = kafka({ brokers: brokers('SASL'), sasl })
    const topic = `sessions-${process.pid}`
    await log.admin.createTopics([{ topic, partitions: 1 }])
    await using producer = log.producer({ value: text })
    const offsets: number[] = []
    for (const end = Date.now() + SESSION_MS + 2000; Date.now() < end; ) {
      offsets.push(await producer.send({ topic, value: 'again' }))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(offsets).toEqual(offsets.map((_, index) => index))
    expect(log.counts.failures).toBe(0)
  })
})

describe.runIf(hasListeners())('a cluster is not reached', () => {
  const openError = async (options: KafkaOptions): Promise<unknown> => {
    await using log = kafka({ ...impatient, ...options })
    return await log.open().then(
      () => 'opened',
      (error: unknown) => error,
    )
  }

  it.each<SaslOptions>([
    { mechanism: 'plain', username: USER, password: 'wrong' },
    { mechanism: 'scram-sha-256', username: 'nobody', password: PASSWORD },
  ])('with the wrong secret, $mechanism, and it is not tried again', async (sasl) => {
    const began = performance.now()
    expect(await openError({ brokers: brokers('SASL'), sasl })).toMatchObject({
      code: 'cluster-authentication-failed',
      retriable: false,
    })
    expect(performance.now() - began).toBeLessThan(1900)
  })

  it('with a mechanism that the listener does not offer', async () => {
    const sasl = { mechanism: 'plain', ...own } as const
    expect(await openError({ brokers: brokers('OAUTH'), sasl })).toMatchObject({
      code: 'cluster-authentication-failed',
    })
  })

  it('when its certificate is not trusted', async () => {
    expect(await openError({ brokers: brokers('TLS'), ssl: true })).toMatchObject({
      code: 'cluster-authentication-failed',
      message: expect.stringContaining('certificate'),
    })
  })

  it('when it speaks TLS and the client does not, or the other way round', async () => {
    for (const wrong of [{ brokers: brokers('TLS') }, { brokers: brokers(), ssl: true }]) {
      expect(await openError(wrong)).toMatchObject({
        code: expect.stringMatching(/^cluster-(unavailable|authentication-failed)$/),
      })
    }
  })
})
