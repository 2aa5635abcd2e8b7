/**
 * The generator by itself, for programs that read its files (the Java peer is one):
 *
 *     node benchmarks/generator/main.ts --out DIR [--scale 1] [--only filter,weblog]
 */
import { parseArgs } from 'node:util'
import { writeWorkload } from './files.ts'
import { GENERATORS } from './records.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'data' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
})

for (const name of values.only?.split(',') ?? Object.keys(GENERATORS)) {
  console.log(name, JSON.stringify(writeWorkload(values.out, name, Number(values.scale))))
}
