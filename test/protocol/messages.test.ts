/**
 * Every message in every version against the bytes of Kafka 4.3.1's own classes (test/java makes
 * and renews the fixture), and what a codec does at the edges of a version.
 */
import { describe, expect, it, test } from 'vitest'
import { StreamsError } from '../../src/errors.ts'
import { api } from '../../src/protocol/api.ts'
import { APIS } from '../../src/protocol/apis.ts'
import { int32, string, struct } from '../../src/protocol/fields.ts'
import { Message } from '../../src/protocol/message.ts'
import { Fetch } from '../../src/protocol/messages/01-fetch.ts'
import { FindCoordinator } from '../../src/protocol/messages/10-find-coordinator.ts'
import { JoinGroup } from '../../src/protocol/messages/11-join-group.ts'
import { Heartbeat } from '../../src/protocol/messages/12-heartbeat.ts'
import { completed, fromJson, MESSAGES, messageOf, readGolden } from './values.ts'

const golden = readGolden()

describe("Kafka's own bytes", () => {
  it('are there for every version of every message', () => {
    const given = new Set(golden.map(({ name, version }) => `${name} ${version}`))
    const missing = [...MESSAGES.values()].flatMap(({ name, versions: [min, max] }) =>
      Array.from({ length: max - min + 1 }, (_, index) => `${name} ${min + index}`).filter(
        (one) => !given.has(one),
      ),
    )
    expect(missing).toEqual([])
  })

  it.each([...MESSAGES.keys()])('%s: the same bytes for the same values', (name) => {
    const message = messageOf(name)
    for (const { version, value, bytes } of golden.filter((one) => one.name === name)) {
      const encoded = message.encode(fromJson(message.fields, value), version)
      expect(encoded.toString('base64'), `${name} v${version}`).toBe(bytes)
    }
  })

  it.each([...MESSAGES.keys()])('%s: the same values from the same bytes', (name) => {
    const message = messageOf(name)
    for (const { version, value, bytes } of golden.filter((one) => one.name === name)) {
      const decoded = message.decode(Buffer.from(bytes, 'base64'), version)
      expect(decoded, `${name} v${version}`).toEqual(completed(message.fields, value))
    }
  })
})

function codeOf(call: () => unknown): string {
  try {
    call()
    return 'accepted'
  } catch (error) {
    return error instanceof StreamsError ? error.code : (error as Error).name
  }
}

describe('a field that a version lacks', () => {
  const request = { groupId: 'g', generationId: 1, memberId: 'm' }

  it('is refused when it has a value that would be lost', () => {
    const withInstance = { ...request, groupInstanceId: 'i' }
    expect(codeOf(() => Heartbeat.request.encode(withInstance, 2))).toBe(
      'protocol-version-unsupported',
    )
    expect(codeOf(() => Heartbeat.request.encode({ ...request, groupInstanceId: null }, 2))).toBe(
      'accepted',
    )
    expect(codeOf(() => Heartbeat.request.encode(withInstance, 3))).toBe('accepted')
  })

  it('is dropped without a word when it is ignorable', () => {
    const response = { errorCode: 27, throttleTimeMs: 5 }
    expect(Heartbeat.response.encode(response, 0)).toEqual(Buffer.from([0, 27]))
    expect(Heartbeat.response.decode(Buffer.from([0, 27]), 0)).toEqual({
      errorCode: 27,
      throttleTimeMs: 0,
    })
  })

  it('is refused inside an array too, and null where a version has none', () => {
    const several = { keyType: 0, coordinatorKeys: ['a', 'b'] }
    expect(codeOf(() => FindCoordinator.request.encode(several, 3))).toBe(
      'protocol-version-unsupported',
    )
    const response = { errorCode: 0, leader: '', memberId: '', members: [], protocolName: null }
    expect(codeOf(() => JoinGroup.response.encode(response, 6))).toBe(
      'protocol-version-unsupported',
    )
    expect(codeOf(() => JoinGroup.response.encode(response, 7))).toBe('accepted')
  })
})

test('a version that is not declared is misuse', () => {
  const request = { groupId: 'g', generationId: 1, memberId: 'm' }
  for (const version of [-1, 5, 1.5]) {
    expect(codeOf(() => Heartbeat.request.encode(request, version))).toBe('RangeError')
    expect(codeOf(() => Heartbeat.request.decode(Buffer.alloc(9), version))).toBe('RangeError')
  }
})

test('a value that does not fit its field is misuse', () => {
  const request = { groupId: 'g', generationId: 1, memberId: 'm' }
  for (const wrong of [{ generationId: 2 ** 31 }, { groupId: 'x'.repeat(32768) }]) {
    expect(codeOf(() => Heartbeat.request.encode({ ...request, ...wrong }, 4))).toBe('RangeError')
  }
})

test('a tagged field of a newer version is passed over, also between known ones', () => {
  const old = new Message('Old', {
    versions: [0, 0],
    flexible: 0,
    fields: { a: string({ tag: 1 }) },
  })
  const fields = {
    x: int32({ tag: 0 }),
    a: string({ tag: 1 }),
    y: struct({ z: int32() }, { tag: 7 }),
  }
  const newer = new Message('New', { versions: [0, 0], flexible: 0, fields })
  expect(old.decode(newer.encode({ x: 5, a: 'kept', y: { z: 1 } }, 0), 0)).toEqual({ a: 'kept' })
  expect(newer.decode(old.encode({ a: 'kept' }, 0), 0)).toEqual({ x: 0, a: 'kept', y: { z: 0 } })
})

test('records are a view of the response, not a copy', () => {
  const records = Buffer.from('0123456789')
  const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 5, records }
  const partitions = [{ ...partition, abortedTransactions: null }]
  const response = { throttleTimeMs: 0, responses: [{ topic: 't', partitions }] }
  const bytes = Fetch.response.encode(response, 11)
  const read = Fetch.response.decode(bytes, 11).responses[0]!.partitions[0]!
  expect(read.records).toEqual(records)
  expect(read.records!.buffer).toBe(bytes.buffer)
})

test('request and response of an API share its versions', () => {
  const one = api('One', { key: 7, versions: [1, 3], request: { a: int32() }, response: {} })
  expect([one.request.versions, one.response.versions]).toEqual([one.versions, one.versions])
  expect(one.request.encode({ a: 258 }, 3)).toEqual(Buffer.from([0, 0, 1, 2]))
  expect(APIS.map(({ key }) => key)).toEqual([...APIS.map(({ key }) => key)].sort((a, b) => a - b))
})
