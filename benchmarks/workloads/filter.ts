/** Filter: parse 256-byte JSON page views, keep those of status 200, write them on. */
import { json, StreamsBuilder, text } from 'millrace'
import { parsed, type Workload } from './workload.ts'

interface PageView {
  readonly user: string
  readonly page: string
  readonly region: string
  readonly status: number
  readonly bytes: number
  readonly duration: number
  readonly referrer: string
  readonly note: string
}

export const filter: Workload = {
  inputs: ['filter-in'],
  upserts: false,

  topology(output) {
    const builder = new StreamsBuilder()

    builder
      .stream('filter-in', { key: text, value: json<PageView>() })
      .filter((_user, view) => view.status === 200)
      .to(output)

    return builder.build()
  },

  numbers: (value) => [parsed<PageView>(value).bytes],
}
