/**
 * A store as those see it who must not write it: of a global store, or of a topic's rows.
 *
 * Invariant: what writes throws, whatever the kind of the store.
 */
import type { StateStore } from '../state/store.ts'

const WRITING: ReadonlySet<string> = new Set(['put', 'delete', 'add', 'remove', 'restore', 'save'])

/** A view of a store that reads only. */
export function readOnly(store: StateStore): StateStore {
  const methods = new Map<string | symbol, unknown>()
  return new Proxy(store, {
    get(target, name) {
      const known = methods.get(name)
      if (known !== undefined) return known
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method = WRITING.has(String(name))
        ? () => {
            throw new TypeError(
              `${String(name)} on '${target.name}': this store is written by its own processor only; read it here`,
            )
          }
        : value.bind(target)
      methods.set(name, method)
      return method
    },
  })
}
