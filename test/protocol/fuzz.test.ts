/**
 * Decoders given anything: a typed error or a value, in bounded time and memory.
 * Replay a failure with the seed in its title: `SEED=n npx vitest run test/protocol/fuzz.test.ts`.
 */
import { expect, test } from 'vitest'
import { StreamsError } from '../../src/errors.ts'
import { APIS } from '../../src/protocol/apis.ts'
import { JoinGroup } from '../../src/protocol/messages/11-join-group.ts'
import { randomOf, SEED } from '../record/random.ts'
import { messageOf, readGolden } from './values.ts'

const golden = readGolden()

/** 'value' or the code of the typed error; anything else thrown goes on. */
function outcomeOf(decode: () => unknown): string {
  try {
    decode()
    return 'value'
  } catch (error) {
    if (error instanceof StreamsError) return error.code
    throw error
  }
}

const ALLOWED = ['value', 'protocol-message-invalid']

test('a message cut off anywhere is refused', () => {
  for (const { name, version, bytes } of golden) {
    const whole = Buffer.from(bytes, 'base64')
    for (let length = 0; length < whole.length; length++) {
      const outcome = outcomeOf(() => messageOf(name).decode(whole.subarray(0, length), version))
      expect(outcome, `${name} v${version} cut to ${length}`).toBe('protocol-message-invalid')
    }
  }
})

test(`bytes changed at random give a value or a typed error (SEED=${SEED})`, () => {
  const random = randomOf(SEED)
  const outcomes = new Map<string, number>()
  for (let round = 0; round < 15; round++) {
    for (const { name, version, bytes } of golden) {
      const changed = Buffer.from(bytes, 'base64')
      if (changed.length === 0) continue
      for (let count = 1 + random() * 3; count > 0; count--) {
        const value = random() < 0.5 ? 255 : Math.floor(random() * 256)
        changed[Math.floor(random() * changed.length)] = value
      }
      const outcome = outcomeOf(() => messageOf(name).decode(changed, version))
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
  }
  expect([...outcomes.keys()].sort()).toEqual([...ALLOWED].sort())
})

test(`random bytes give a value or a typed error (SEED=${SEED})`, () => {
  const random = randomOf(SEED)
  for (const { request, response, versions } of APIS) {
    for (let round = 0; round < 200; round++) {
      const bytes = Buffer.alloc(random() * 80).map(() => random() * 256) as Buffer
      const version = versions[0] + Math.floor(random() * (versions[1] - versions[0] + 1))
      for (const message of [request, response]) {
        expect(ALLOWED).toContain(outcomeOf(() => message.decode(bytes, version)))
      }
    }
  }
})

test('a claimed length allocates nothing before the bytes are there', () => {
  const before = process.memoryUsage().heapUsed
  for (const claim of [0x7fff_ffff, 100_000_000, 5_000_000]) {
    // Response v0: error, generation, protocol, leader, member id, then the array of members.
    const bytes = Buffer.alloc(2 + 4 + 2 + 2 + 2 + 4 + 8)
    bytes.writeInt32BE(claim, 12)
    expect(outcomeOf(() => JoinGroup.response.decode(bytes, 0))).toBe('protocol-message-invalid')
  }
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000)
})
