/** The machine stops at each step of the very first start: the folder opens at the next one. */
import { expect, test } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { systemClock } from '../../src/clock.ts'
import type { FileSystem } from '../../src/file-system.ts'
import { MemoryFileSystem } from '../../src/memory-file-system.ts'

/** Files that can be used so many times, then no more. */
function usedUpAfter(files: MemoryFileSystem, uses: number): FileSystem {
  let left = uses
  return new Proxy<FileSystem>(files, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (left-- <= 0) throw Object.assign(new Error('no power'), { syscall: 'open' })
        return value.apply(target, args) as unknown
      }
    },
  })
}

test('a first start that is cut off anywhere is followed by one that works', async () => {
  let cutOff = 0
  for (; ; cutOff++) {
    const files = new MemoryFileSystem()
    const options = { clock: systemClock, directory: '/log' }
    const fileSystem = usedUpAfter(files, cutOff)
    const isOpen = await Broker.open({ ...options, fileSystem }).then(
      () => true,
      () => false,
    )
    if (isOpen) break
    const next = await Broker.open({ ...options, fileSystem: files })
    expect(next.createTopics([{ topic: 'a', partitions: 1 }])).toEqual([null])
    await next.close()
  }
  expect(cutOff).toBeGreaterThan(5)
})
