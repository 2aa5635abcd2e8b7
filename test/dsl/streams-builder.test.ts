import { describe, expect, test } from 'vitest'
import { json, StreamsBuilder, text, tumbling } from '../../src/index.ts'

interface Hit {
  path: string
  bytes: number
}

describe('the program of the README', () => {
  test('builds, and describes itself as Kafka Streams would', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('access-log', { value: text })
      .flatMapValues((line): Hit[] => [{ path: line, bytes: 1 }])
      .groupBy((_key, hit) => hit.path, { value: json<Hit>() })
      .windowedBy(tumbling('1m', { grace: '10s' }))
      .aggregate(
        () => ({ hits: 0, bytes: 0 }),
        (_path, hit, sum) => ({ hits: sum.hits + 1, bytes: sum.bytes + hit.bytes }),
        { store: 'hits-per-page', value: json() },
      )
      .toStream()
      .to('page-stats')
    const topology = builder.build()
    expect(`\n${topology.describe()}`).toMatchInlineSnapshot(`
      "
      Topologies:
         Sub-topology: 0
          Source: access-log (topics: [access-log])
            --> access-log-flatMapValues
          Processor: access-log-flatMapValues (stores: [])
            --> access-log-flatMapValues-groupBy
            <-- access-log
          Processor: access-log-flatMapValues-groupBy (stores: [])
            --> access-log-flatMapValues-groupBy-repartition-filter
            <-- access-log-flatMapValues
          Processor: access-log-flatMapValues-groupBy-repartition-filter (stores: [])
            --> access-log-flatMapValues-groupBy-repartition-sink
            <-- access-log-flatMapValues-groupBy
          Sink: access-log-flatMapValues-groupBy-repartition-sink (topic: access-log-flatMapValues-groupBy-repartition)
            <-- access-log-flatMapValues-groupBy-repartition-filter

        Sub-topology: 1
          Source: access-log-flatMapValues-groupBy-repartition-source (topics: [access-log-flatMapValues-groupBy-repartition])
            --> hits-per-page-aggregate
          Processor: hits-per-page-aggregate (stores: [hits-per-page])
            --> hits-per-page-toStream
            <-- access-log-flatMapValues-groupBy-repartition-source
          Processor: hits-per-page-toStream (stores: [])
            --> hits-per-page-toStream-to
            <-- hits-per-page-aggregate
          Sink: hits-per-page-toStream-to (topic: page-stats)
            <-- hits-per-page-toStream

      "
    `)
    expect(topology.stores).toMatchInlineSnapshot(`
      [
        {
          "changelog": true,
          "keepsBefore": false,
          "keySerde": {
            "name": "text",
            "primitive": true,
            "read": [Function],
            "write": [Function],
          },
          "kind": "window",
          "name": "hits-per-page",
          "retentionMs": 70000,
          "storage": "rocksdb",
          "valueSerde": {
            "name": "json",
            "read": [Function],
            "write": [Function],
          },
          "windowSizeMs": 60000,
        },
      ]
    `)
  })
})
