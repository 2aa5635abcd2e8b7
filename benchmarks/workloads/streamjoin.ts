/** Stream join: views and clicks of one user within ten seconds of each other. */
import { json, StreamsBuilder, text } from 'millrace'
import { parsed, type Workload } from './workload.ts'

interface View {
  readonly view: number
  readonly user: string
  readonly page: string
  readonly region: string
  readonly at: number
}

interface Click {
  readonly click: number
  readonly user: string
  readonly target: string
  readonly price: number
  readonly at: number
}

interface Pair {
  readonly view: number
  readonly click: number
  readonly user: string
  readonly page: string
  readonly target: string
  readonly price: number
}

export const streamjoin: Workload = {
  inputs: ['streamjoin-views', 'streamjoin-clicks'],
  upserts: false,

  topology(output) {
    const builder = new StreamsBuilder()
    const clicks = builder.stream('streamjoin-clicks', { key: text, value: json<Click>() })

    builder
      .stream('streamjoin-views', { key: text, value: json<View>() })
      .join(clicks, paired, { within: '10s', grace: '10s' })
      .to(output, { value: json<Pair>() })

    return builder.build()
  },

  numbers: (value) => [parsed<Pair>(value).price],
}

function paired({ view, user, page }: View, { click, target, price }: Click): Pair {
  return { view, click, user, page, target, price }
}
