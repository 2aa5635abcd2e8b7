/** A context of a processor with some of its calls replaced: what passes there is seen and changed. */
import type { StreamRecord } from '../../src/record/record.ts'
import type { ProcessorContext } from '../../src/topology/processor.ts'

export type AnyContext = ProcessorContext<unknown, unknown>
export type AnyRecord = StreamRecord<unknown, unknown>
export type Drop = Parameters<AnyContext['drop']>

export function watched<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get: (_target, property) => {
      const own = replaced[property as keyof T]
      if (own !== undefined) return own
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
