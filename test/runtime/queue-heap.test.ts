import { expect, test } from 'vitest'
import { QueueHeap } from '../../src/runtime/queue-heap.ts'

/** Queues of timestamps, and the order in which a heap takes them: `queue@timestamp`. */
function orderOf(...times: number[][]): string {
  const heap = new QueueHeap()
  const queues = times.map((left) => ({
    peek: () => (left[0] === undefined ? null : ({ timestamp: left[0] } as never)),
    hasUndecoded: () => false,
    caughtUp: true,
  }))
  const taken: string[] = []
  for (let index = heap.choose(queues); index >= 0; index = heap.choose(queues)) {
    heap.take()
    taken.push(`${index}@${times[index]?.shift()}`)
    heap.taken(index)
  }
  return taken.join(' ')
}

test('the lowest time goes first', () => {
  expect(orderOf([3, 4], [1, 5], [2])).toBe('1@1 2@2 0@3 0@4 1@5')
})

test('two queues of equal times take turns', () => {
  expect(orderOf([1, 1], [1, 1])).toBe('0@1 1@1 0@1 1@1')
})

test('of three queues of equal times the last one follows the first, as in java.util.PriorityQueue', () => {
  expect(orderOf([1, 1], [1], [1])).toBe('0@1 2@1 0@1 1@1')
})

test('nothing is next while a queue may still get an earlier record', () => {
  const queue = { peek: () => null, hasUndecoded: () => false, caughtUp: false }
  expect(new QueueHeap().choose([queue])).toBe(-1)
})
