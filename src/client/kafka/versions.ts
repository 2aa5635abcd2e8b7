/**
 * Which version of a request is spoken with a broker: the highest that both sides know, up to a cap
 * where a newer version means something else to us.
 *
 * Brokers from 2.5 on have all that is needed: fencing of offset commits by group generation
 * (TxnOffsetCommit 3) and stable offset fetches (OffsetFetch 7) came with KIP-447.
 */
import { StreamsError } from '../../errors.ts'
import type { VersionRange } from '../../protocol/message.ts'

/** APIs by number whose newer versions are not used, with the reason. */
const VERSION_CAPS: ReadonlyMap<number, number> = new Map([
  // 12 adds partitions to the transaction inside the broker, once transactions raise the epoch.
  [0, 11],
  // 13 has topic ids for names.
  [1, 12],
  // 10 has topic ids for names.
  [8, 9],
  // 8 asks for several groups.
  [9, 7],
  // 4 asks for several keys.
  [10, 3],
  // 6 has topic ids beside names.
  [20, 5],
  // 6 is two-phase commit.
  [22, 5],
  // 4 is for brokers among themselves.
  [24, 3],
  // 5 raises the epoch with every transaction (KIP-890): measured 4 times slower, back to back.
  [26, 4],
  // 5 goes with EndTxn 5.
  [28, 4],
])

/**
 * @throws StreamsError 'protocol-version-unsupported' when there is no version in common
 */
export function versionFor(
  api: { readonly key: number; readonly name: string; readonly versions: VersionRange },
  broker: ReadonlyMap<number, VersionRange>,
): number {
  const offered = broker.get(api.key)
  const [min, max] = api.versions
  const cap = Math.min(max, VERSION_CAPS.get(api.key) ?? max)
  const version = offered === undefined ? -1 : Math.min(cap, offered[1])
  if (offered !== undefined && version >= Math.max(min, offered[0])) return version
  const theirs = offered === undefined ? 'none' : `${offered[0]} to ${offered[1]}`
  throw new StreamsError(
    'protocol-version-unsupported',
    `This client speaks ${api.name} in versions ${min} to ${cap}, the broker has ${theirs}`,
  )
}
