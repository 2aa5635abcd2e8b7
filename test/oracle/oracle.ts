/** Asks Kafka Streams for the answers of cases, by way of the Java program beside this file. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Case, PublishedAnswer } from '../conformance/case.ts'

const ORACLE = fileURLToPath(new URL('oracle', import.meta.url))

/** Answers in the order of the cases. `ties` also says which depend on the choice between equal times. */
export async function ask(
  cases: readonly Case[],
  { ties = false, store = 'rocksdb' }: { ties?: boolean; store?: 'rocksdb' | 'memory' } = {},
): Promise<PublishedAnswer[]> {
  if (cases.length === 0) return []
  const options = ['batch', '--store', store, ...(ties ? ['--ties'] : [])]
  const child = spawn(ORACLE, options, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(cases.map((one) => `${JSON.stringify(one)}\n`).join(''))
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const status = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const lines = Buffer.concat(chunks).toString('utf8').split('\n').filter(Boolean)
  if (status !== 0 || lines.length !== cases.length) {
    throw new Error(
      `the oracle ended with ${status} after ${lines.length} of ${cases.length} answers`,
    )
  }
  return lines.map((line) => JSON.parse(line) as PublishedAnswer)
}
