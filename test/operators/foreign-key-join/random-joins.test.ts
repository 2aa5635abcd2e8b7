/**
 * Joins by foreign key, inner and left, over tables of unequal partition counts, restarted and
 * crashed at random: when all is quiet, the results are what the two tables say.
 */
import { nullable, StreamsBuilder, text } from 'millrace'
import { TopologyTestDriver } from 'millrace/testing'
import { expect, test } from 'vitest'
import { COMMIT_STEPS } from '../../../src/runtime/commit.ts'
import { randomOf, SEED } from '../../record/random.ts'

const ROUNDS = 40
const serdes = { key: nullable(text), value: nullable(text) }
const foreignKeyOf = (row: string): string | null => row.split('|')[1] || null

function topology() {
  const builder = new StreamsBuilder()
  const options = { foreignKey: foreignKeyOf, key: text, otherKey: text, value: text }
  const left = builder.table('left', serdes)
  const right = builder.table('right', serdes)
  const joiner = (row: string, other: string | null): string => `${row}+${other}`
  left.join(right, joiner, options).toStream().to('inner')
  left
    .leftJoin(right, joiner, { ...options, store: 'rows' })
    .toStream()
    .to('left-outer')
  return builder.build()
}

for (const [lefts, rights, storeBytes] of [
  [1, 1, undefined],
  [2, 3, undefined],
  [2, 3, 2000],
  [3, 1, 0],
] as const) {
  const memory = storeBytes === undefined ? '' : `, ${storeBytes} bytes for rows,`
  test(`${lefts} and ${rights} partitions${memory} give what the tables say, SEED=${SEED}`, async () => {
    const random = randomOf(SEED + lefts * 10 + rights)
    const below = (end: number): number => Math.floor(random() * end)
    const driver = await TopologyTestDriver.open(topology(), {
      partitions: { left: lefts, right: rights, inner: 1, 'left-outer': 1 },
      ...(storeBytes === undefined ? {} : { storeBytes }),
    })
    const left = driver.input('left', { key: text, value: text })
    const right = driver.input('right', { key: text, value: text })
    const inner = driver.output('inner', { key: text, value: text })
    const outer = driver.output('left-outer', { key: text, value: text })
    const [rows, others] = [new Map<string, string>(), new Map<string, string>()]
    let written = 0
    const [inners, outers] = [new Map<string, string>(), new Map<string, string>()]
    try {
      for (let round = 0; round < ROUNDS; round++) {
        if (below(3) === 0) driver.crashAfter(COMMIT_STEPS[below(COMMIT_STEPS.length)]!)
        for (let count = below(30); count >= 0; count--) {
          const isLeft = below(3) > 0
          const key = isLeft ? `l${below(60)}` : `r${below(6)}`
          const named = below(8) === 0 ? '' : `r${below(6)}`
          const value = below(5) === 0 ? null : `${++written}${isLeft ? `|${named}` : ''}`
          await (isLeft ? left : right).write({ key, value, timestamp: below(1000) })
          const table = isLeft ? rows : others
          if (value === null) table.delete(key)
          else table.set(key, value)
        }
        await driver.run()
        for (const { key, value } of await inner.readAll()) put(inners, key, value)
        for (const { key, value } of await outer.readAll()) put(outers, key, value)
        expect([...inners].sort()).toEqual(joined(rows, others, false))
        expect([...outers].sort()).toEqual(joined(rows, others, true))
        if (below(4) === 0) await driver.restart({ losesState: below(2) === 0 })
      }
    } finally {
      await driver.close()
    }
  })
}

function put(table: Map<string, string>, key: string | null, value: string | null): void {
  if (value === null) table.delete(key as string)
  else table.set(key as string, value)
}

/** What the join of two tables is. */
function joined(
  rows: ReadonlyMap<string, string>,
  others: ReadonlyMap<string, string>,
  isLeft: boolean,
): [string, string][] {
  const results: [string, string][] = []
  for (const [key, row] of rows) {
    const other = others.get(foreignKeyOf(row) ?? '') ?? null
    if (other !== null || isLeft) results.push([key, `${row}+${other}`])
  }
  return results.sort()
}
