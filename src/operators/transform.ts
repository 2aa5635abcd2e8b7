/**
 * The stateless operators: each is `transform`, a record in and any number of records forwarded,
 * with a step of a line or two.
 *
 * Journey: source -> [transform ...] -> stateful operator or sink.
 *
 * Invariants:
 * - What leaves has the timestamp and the headers of what came in.
 * - Outputs leave in the order the step made them, each handled to the end before the next.
 * - A user's function is given the record's context last: see `RecordView`.
 */
import type { PromiseOrValue, StreamRecord } from '../record/record.ts'
import { inOrder } from '../record/when.ts'
import type { Processor, ProcessorContext, RecordContext } from '../topology/processor.ts'
import { RecordView } from '../topology/record-view.ts'

type Step<KIn, VIn, KOut, VOut> = (
  record: StreamRecord<KIn, VIn>,
  context: ProcessorContext<KOut, VOut>,
  seen: RecordContext,
) => PromiseOrValue<void>

/** A new processor for each task, as a topology node wants it. */
export type CreateProcessor<KIn, VIn, KOut, VOut> = () => Processor<KIn, VIn, KOut, VOut>

/** The core: a processor without memory that runs `step` on every record. */
export function transform<KIn, VIn, KOut, VOut>(
  step: Step<KIn, VIn, KOut, VOut>,
  { passesOn = false }: { readonly passesOn?: boolean } = {},
): CreateProcessor<KIn, VIn, KOut, VOut> {
  return () => {
    let context: ProcessorContext<KOut, VOut>
    const seen = new RecordView(() => context.metadata())
    return {
      passesOn,
      init(processorContext) {
        context = processorContext
      },
      process(record) {
        seen.record = record
        return step(record, context, seen)
      },
    }
  }
}

/** Hands every record on as it is: where streams merge, or a node only gives a name. */
export function passThrough<K, V>(): CreateProcessor<K, V, K, V> {
  return transform((record, context) => context.forward(record), { passesOn: true })
}

export function filter<K, V>(
  predicate: (key: K, value: V, seen: RecordContext) => boolean,
): CreateProcessor<K, V, K, V> {
  return transform((record, context, seen) =>
    predicate(record.key, record.value, seen) ? context.forward(record) : undefined,
  )
}

export function filterNot<K, V>(
  predicate: (key: K, value: V, seen: RecordContext) => boolean,
): CreateProcessor<K, V, K, V> {
  return transform((record, context, seen) =>
    predicate(record.key, record.value, seen) ? undefined : context.forward(record),
  )
}

export function map<K, V, KOut, VOut>(
  mapper: (key: K, value: V, seen: RecordContext) => readonly [KOut, VOut],
): CreateProcessor<K, V, KOut, VOut> {
  return transform(({ key, value, timestamp, headers }, context, seen) => {
    const mapped = mapper(key, value, seen)
    return context.forward({ key: mapped[0], value: mapped[1], timestamp, headers })
  })
}

export function mapValues<K, V, VOut>(
  mapper: (value: V, key: K, seen: RecordContext) => VOut,
): CreateProcessor<K, V, K, VOut> {
  return transform(({ key, value, timestamp, headers }, context, seen) =>
    context.forward({ key, value: mapper(value, key, seen), timestamp, headers }),
  )
}

export function flatMap<K, V, KOut, VOut>(
  mapper: (key: K, value: V, seen: RecordContext) => Iterable<readonly [KOut, VOut]>,
): CreateProcessor<K, V, KOut, VOut> {
  return transform(({ key, value, timestamp, headers }, context, seen) =>
    inOrder(mapper(key, value, seen), (mapped) =>
      context.forward({ key: mapped[0], value: mapped[1], timestamp, headers }),
    ),
  )
}

export function flatMapValues<K, V, VOut>(
  mapper: (value: V, key: K, seen: RecordContext) => Iterable<VOut>,
): CreateProcessor<K, V, K, VOut> {
  return transform(({ key, value, timestamp, headers }, context, seen) =>
    inOrder(mapper(value, key, seen), (mapped) =>
      context.forward({ key, value: mapped, timestamp, headers }),
    ),
  )
}

export function selectKey<K, V, KOut>(
  selector: (key: K, value: V, seen: RecordContext) => KOut,
): CreateProcessor<K, V, KOut, V> {
  return transform(({ key, value, timestamp, headers }, context, seen) =>
    context.forward({ key: selector(key, value, seen), value, timestamp, headers }),
  )
}

export function peek<K, V>(
  action: (key: K, value: V, seen: RecordContext) => void,
): CreateProcessor<K, V, K, V> {
  return transform((record, context, seen) => {
    action(record.key, record.value, seen)
    return context.forward(record)
  })
}

export function foreach<K, V>(
  action: (key: K, value: V, seen: RecordContext) => void,
): CreateProcessor<K, V, K, V> {
  return transform((record, _context, seen) => action(record.key, record.value, seen))
}

/** Forwards each record to the child of the first predicate that holds, else to `otherwise`. */
export function branch<K, V>(
  branches: readonly {
    readonly child: string
    readonly predicate: (key: K, value: V, seen: RecordContext) => boolean
  }[],
  otherwise: string | null,
): CreateProcessor<K, V, K, V> {
  return transform((record, context, seen) => {
    for (const { child, predicate } of branches) {
      if (predicate(record.key, record.value, seen)) return context.forward(record, child)
    }
    return otherwise === null ? undefined : context.forward(record, otherwise)
  })
}

/** Before a repartition topic: a record without a key has no partition to go to. */
export function dropNullKeys<K, V>(): CreateProcessor<K, V, K, V> {
  return transform(
    (record, context) =>
      record.key === null ? context.drop('null-key', record) : context.forward(record),
    { passesOn: true },
  )
}
