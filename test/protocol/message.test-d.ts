/** What TypeScript knows of a message is derived from its one declaration. */
import { expectTypeOf, test } from 'vitest'
import type { RequestOf, ResponseOf } from '../../src/protocol/api.ts'
import type { Fetch } from '../../src/protocol/messages/01-fetch.ts'
import type { Heartbeat } from '../../src/protocol/messages/12-heartbeat.ts'

test('a request needs what every version has, and may leave out the rest', () => {
  expectTypeOf<RequestOf<typeof Heartbeat>>().toEqualTypeOf<
    { readonly groupId: string; readonly generationId: number; readonly memberId: string } & {
      readonly groupInstanceId?: string | null
    }
  >()
})

test('a response has every field, arrays and structs within it too', () => {
  expectTypeOf<ResponseOf<typeof Heartbeat>>().toEqualTypeOf<{
    readonly throttleTimeMs: number
    readonly errorCode: number
  }>()
  type Partition = ResponseOf<typeof Fetch>['responses'][number]['partitions'][number]
  expectTypeOf<Partition['records']>().toEqualTypeOf<Buffer | null>()
  expectTypeOf<Partition['currentLeader']['leaderEpoch']>().toEqualTypeOf<number>()
  expectTypeOf<Partition['abortedTransactions']>().toEqualTypeOf<
    readonly { readonly producerId: number; readonly firstOffset: number }[] | null
  >()
})
