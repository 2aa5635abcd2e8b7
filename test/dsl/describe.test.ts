import { expect, test } from 'vitest'
import { programs } from './programs.ts'

test.each(Object.entries(programs))(
  '%s is described as Kafka Streams would',
  async (name, build) => {
    await expect(build().describe()).toMatchFileSnapshot(`topologies/${name}.txt`)
  },
)
