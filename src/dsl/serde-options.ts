/**
 * What is known of the bytes of a stream, in its type and in its place: which serdes an operator
 * can take over, and which the user has to pass.
 *
 * A serde stays known as long as the half it is for is not changed: filter, peek, split and
 * repartition keep both, mapValues keeps the key's, selectKey the value's, map and flatMap none.
 * Where bytes are needed and no serde is known, the option is required by the type, but for text:
 * a key or value of type `string` is written as text.
 */
import type { Serde } from '../record/serde.ts'
import { text } from '../record/serdes.ts'
import { show } from '../topology/names.ts'

/**
 * What a stream has: a known serde for its key, for its value, and a key that is still the one its
 * partitions were chosen by.
 */
export type StreamTraits = 'key' | 'value' | 'partitioned'

/** What a table has: a known serde for its key, for its value. */
export type TableTraits = 'key' | 'value'

/** Everything but null: what remains where null keys or values are dropped. */
export type Present<T> = Exclude<T, null>

/** The last argument of a verb: it may be left out when every option of it may. */
export type OptionsArgument<O> = Partial<O> extends O ? [options?: O] : [options: O]

export interface OptionalKey<K> {
  /** Serde of the key. Default: the stream's, where it is known; text for strings. */
  readonly key?: Serde<K> | undefined
}

export interface RequiredKey<K> {
  /** Serde of the key: none is known for this type. */
  readonly key: Serde<K>
}

export interface OptionalValue<V> {
  /** Serde of the value. Default: the stream's, where it is known; text for strings. */
  readonly value?: Serde<V> | undefined
}

export interface RequiredValue<V> {
  /** Serde of the value: none is known for this type. */
  readonly value: Serde<V>
}

interface OptionalOtherValue<V> {
  /** Serde of the other stream's value. Default: that stream's, where it is known; text for strings. */
  readonly otherValue?: Serde<V> | undefined
}

interface RequiredOtherValue<V> {
  /** Serde of the other stream's value: none is known for this type. */
  readonly otherValue: Serde<V>
}

/** What the implementation of a verb sees: its type has asked for what is needed. */
export interface SerdeOptions<K, V> {
  readonly key?: Serde<K> | undefined
  readonly value?: Serde<V> | undefined
}

/** True for strings and types of strings, null aside. */
type IsText<T> = [Present<T>] extends [string] ? true : false
type HasOrIsText<Trait, T, Has> = Trait extends Has ? true : IsText<T>

/** Option `key`, required when a stream with these traits has no serde for it. */
export type KeyOption<K, Has> =
  HasOrIsText<'key', K, Has> extends true ? OptionalKey<K> : RequiredKey<K>

/** Option `value`, required when a stream with these traits has no serde for it. */
export type ValueOption<V, Has> =
  HasOrIsText<'value', V, Has> extends true ? OptionalValue<V> : RequiredValue<V>

/** Option `otherValue`, required when the other stream has no serde for its value. */
export type OtherValueOption<V, Has> =
  HasOrIsText<'value', V, Has> extends true ? OptionalOtherValue<V> : RequiredOtherValue<V>

/** Both options, required only where the stream has to go through a repartition topic first. */
export type RepartitionSerdes<K, V, Has> = 'partitioned' extends Has
  ? OptionalKey<K> & OptionalValue<V>
  : KeyOption<K, Has> & ValueOption<V, Has>

/**
 * The serde an operator writes a half of its records with: the one passed, else the one known,
 * else text that refuses anything but strings and says what to pass.
 */
export function serdeFor<T>(
  given: Serde<T> | undefined,
  known: Serde<T> | null,
  call: string,
  option: 'key' | 'value' | 'otherValue' | 'rowValue' | 'otherKey',
): Serde<T> {
  return given ?? known ?? (textOnly(call, option) as Serde<unknown> as Serde<T>)
}

/** Text, for a half of which no serde is known; the type has made sure that it holds strings. */
function textOnly(call: string, option: string): Serde<string> {
  return {
    ...text,
    write(value, output) {
      if (typeof value !== 'string') {
        throw new TypeError(
          `${call} has to write a ${/key/i.test(option) ? 'key' : 'value'} that is ${show(value)}, and knows no serde for it; ` +
            `pass one: { ${option}: json() }`,
        )
      }
      output.writeText(value)
    },
  }
}
