/** Which version of a request is spoken, and what every error becomes. */
import { describe, expect, it } from 'vitest'
import { errorOf } from '../../../src/client/kafka/errors.ts'
import { versionFor } from '../../../src/client/kafka/versions.ts'
import { kafka } from '../../../src/index.ts'
import { ERROR_NUMBERS } from '../../../src/protocol/error-codes.ts'
import { Produce } from '../../../src/protocol/messages/00-produce.ts'
import { OffsetFetch } from '../../../src/protocol/messages/09-offset-fetch.ts'
import { StreamsGroupHeartbeat } from '../../../src/protocol/messages/88-streams-group-heartbeat.ts'

const broker = (key: number, min: number, max: number) => new Map([[key, [min, max] as const]])

describe('the version of a request', () => {
  it('is the highest that both sides know', () => {
    expect(versionFor(Produce, broker(0, 0, 8))).toBe(8)
    expect(versionFor(OffsetFetch, broker(9, 0, 7))).toBe(7)
  })

  it('stays below a version that means something else', () => {
    expect(versionFor(Produce, broker(0, 3, 13))).toBe(11)
    expect(versionFor(OffsetFetch, broker(9, 1, 10))).toBe(7)
  })

  it.each([
    ['older than ours', Produce, broker(0, 0, 2)],
    ['newer than what we use', Produce, broker(0, 12, 20)],
    ['none', StreamsGroupHeartbeat, broker(0, 0, 8)],
  ])('is named when the broker has %s', (_case, api, versions) => {
    expect(() => versionFor(api, versions)).toThrow(
      expect.objectContaining({
        code: 'protocol-version-unsupported',
        message: expect.stringContaining(api.name),
      }),
    )
  })
})

describe('an error of the protocol', () => {
  it.each([
    ['NOT_LEADER_OR_FOLLOWER', 'metadata', 'retry', 'cluster-unavailable'],
    ['NOT_COORDINATOR', 'coordinator', 'retry', 'cluster-unavailable'],
    ['CONCURRENT_TRANSACTIONS', 'concurrent', 'concurrent', 'transaction-state-invalid'],
    ['UNSTABLE_OFFSET_COMMIT', 'unstable', 'unstable', 'transaction-state-invalid'],
    ['REBALANCE_IN_PROGRESS', 'rebalance', 'rebalance', 'group-generation-stale'],
    ['ILLEGAL_GENERATION', 'lost', 'lost', 'group-generation-stale'],
    ['INVALID_PRODUCER_EPOCH', 'fenced', 'fenced', 'producer-fenced'],
    ['PRODUCER_FENCED', 'fenced', 'fenced', 'producer-fenced'],
    ['INVALID_TXN_STATE', 'abortable', 'abortable', 'transaction-state-invalid'],
    ['TOPIC_AUTHORIZATION_FAILED', 'fatal', 'fatal', 'cluster-authorization-failed'],
  ] as const)('%s is answered by %s', (name, reaction, kind, code) => {
    const error = errorOf(ERROR_NUMBERS[name], { topic: 'hits' })
    expect(error).toMatchObject({ reaction, kind, code, place: { topic: 'hits' } })
    expect(error.message).toContain(name)
    expect(error.retriable).toBe(kind === 'retry' || kind === 'concurrent')
  })

  it('of a number from the future is fatal, and names the number', () => {
    expect(errorOf(9999)).toMatchObject({ kind: 'fatal', code: 'cluster-refused' })
    expect(errorOf(9999).message).toContain('9999')
  })
})

describe('the options of a cluster', () => {
  it.each([
    ['nothing', []],
    ['two ports', ['a:1:2']],
    ['a port that is none', ['a:70000']],
    ['a blank', ['a b:9092']],
  ])('refuse %s as addresses', (_case, brokers) => {
    expect(() => kafka({ brokers })).toThrow(TypeError)
  })

  it('take names, IPv6 addresses and no port', () => {
    for (const address of ['localhost', 'broker-1.example.org:9092', '[::1]:9092', '[fe80::1]']) {
      expect(() => kafka({ brokers: [address] })).not.toThrow()
    }
  })

  it('refuse a duration that is none', () => {
    expect(() => kafka({ brokers: ['a'], requestTimeout: -1 })).toThrow(/requestTimeout/)
  })

  it('are not tried before the first call, which then says what was wrong', async () => {
    await using log = kafka({ brokers: ['127.0.0.1:1'], retryTimeout: 100 })
    expect(log.counts).toMatchObject({ requests: 0, connects: 0 })
    await expect(log.open()).rejects.toMatchObject({
      code: 'cluster-unavailable',
      retriable: true,
      message: expect.stringContaining('127.0.0.1:1'),
    })
    expect(log.counts.failures).toBeGreaterThan(0)
  })
})
