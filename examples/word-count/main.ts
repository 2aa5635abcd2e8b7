/**
 * Word count, the whole program: write sentences to a topic, run the topology to the end of what is
 * there, read the counts.
 *
 *   node --conditions=millrace-source examples/word-count/main.ts [FILE]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded, int64, Streams, text } from 'millrace'
import { readTopic } from '../read-topic.ts'
import { SENTENCES, WORD_COUNTS, wordCountTopology } from './topology.ts'

const POEM = [
  'The mill that grinds the flour turns by the water of the race',
  'and the race runs by the mill and on to the sea',
  'The water does not come back but the mill keeps its count',
]

/** How often each word occurs; everything the run keeps lies in `directory`. */
export async function countWords(
  sentences: readonly string[],
  directory: string,
): Promise<Map<string, number>> {
  await using log = embedded({ directory: join(directory, 'log') })
  await log.open()
  await log.admin.createTopics([
    { topic: SENTENCES, partitions: 2 },
    { topic: WORD_COUNTS, partitions: 2 },
  ])

  await using producer = log.producer()
  await producer.sendMany(sentences.map((value) => ({ topic: SENTENCES, value })))

  const app = new Streams(wordCountTopology(), {
    applicationId: 'word-count',
    log,
    stateDirectory: join(directory, 'state'),
    until: 'end',
  })
  await app.start()
  await app.finished

  const counts = new Map<string, number>()
  await readTopic(log, WORD_COUNTS, { key: text, value: int64 }, ({ key, value }) => {
    counts.set(key, value)
  })
  return counts
}

async function main(file: string | undefined): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-word-count-'))
  try {
    const sentences = file === undefined ? POEM : readFileSync(file, 'utf8').split('\n')
    const counts = [...(await countWords(sentences, directory))].sort(([, a], [, b]) => b - a)
    for (const [word, count] of counts) console.log(`${String(count).padStart(7)}  ${word}`)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

if (import.meta.main) await main(process.argv[2])
