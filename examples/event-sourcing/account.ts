/**
 * A bank account as event sourcing has it: commands are decided against the state, events change
 * it. Plain functions, which know neither topics nor stores.
 */

export type Command =
  | { readonly kind: 'open'; readonly owner: string }
  | { readonly kind: 'deposit'; readonly cents: number }
  | { readonly kind: 'withdraw'; readonly cents: number }

export type AccountEvent =
  | { readonly kind: 'opened'; readonly owner: string }
  | { readonly kind: 'deposited'; readonly cents: number }
  | { readonly kind: 'withdrawn'; readonly cents: number }
  | { readonly kind: 'fell-asleep' }
  | { readonly kind: 'rejected'; readonly command: Command['kind']; readonly reason: string }

export interface Account {
  readonly owner: string
  readonly cents: number
  readonly isAsleep: boolean
}

/** What a command comes to, given the account as it stands; null before it is opened. */
export function decide(account: Account | null, command: Command): AccountEvent {
  const rejected = (reason: string): AccountEvent => ({
    kind: 'rejected',
    command: command.kind,
    reason,
  })
  if (command.kind === 'open') {
    return account === null ? { kind: 'opened', owner: command.owner } : rejected('already open')
  }
  if (account === null) return rejected('no such account')
  if (!(command.cents > 0)) return rejected('no amount')
  if (command.kind === 'deposit') return { kind: 'deposited', cents: command.cents }
  if (command.cents > account.cents) return rejected(`only ${account.cents} there`)
  return { kind: 'withdrawn', cents: command.cents }
}

/** The account after an event. */
export function evolve(account: Account | null, event: AccountEvent): Account | null {
  if (event.kind === 'rejected') return account
  if (event.kind === 'opened') return { owner: event.owner, cents: 0, isAsleep: false }
  if (account === null) return null
  if (event.kind === 'fell-asleep') return { ...account, isAsleep: true }
  const sign = event.kind === 'deposited' ? 1 : -1
  return { ...account, cents: account.cents + sign * event.cents, isAsleep: false }
}
