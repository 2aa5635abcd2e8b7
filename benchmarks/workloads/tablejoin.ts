/** Table join: page views enriched with the users table, also when the user is not in it. */
import { json, StreamsBuilder, text } from 'millrace'
import { parsed, type Workload } from './workload.ts'

interface View {
  readonly view: number
  readonly user: string
  readonly page: string
  readonly region: string
  readonly duration: number
}

interface User {
  readonly id: string
  readonly name: string
  readonly city: string
  readonly age: number
  readonly plan: string
}

interface EnrichedView extends View {
  readonly name: string | null
  readonly city: string | null
  readonly age: number
  readonly plan: string | null
}

export const tablejoin: Workload = {
  inputs: ['tablejoin-users', 'tablejoin-views'],
  upserts: false,

  topology(output) {
    const builder = new StreamsBuilder()
    const users = builder.table('tablejoin-users', { key: text, value: json<User>() })

    builder
      .stream('tablejoin-views', { key: text, value: json<View>() })
      .leftJoin(users, enriched)
      .to(output, { value: json<EnrichedView>() })

    return builder.build()
  },

  numbers: (value) => [parsed<EnrichedView>(value).age],
}

function enriched({ view, user, page, region, duration }: View, found: User | null): EnrichedView {
  const name = found?.name ?? null
  const city = found?.city ?? null
  const age = found?.age ?? 0
  const plan = found?.plan ?? null
  return { view, user, page, region, duration, name, city, age, plan }
}
