/** Runs the asking application over real files until it is killed; says a line when it begins. */
import { join } from 'node:path'
import { embedded, type Guarantee, Streams } from 'millrace'
import { asking } from './programs.ts'

const [directory = '', guarantee, ordered] = process.argv.slice(2)
const app = new Streams(asking(ordered === 'ordered'), {
  applicationId: 'app',
  log: embedded({ directory, retention: Number.MAX_SAFE_INTEGER }),
  guarantee: guarantee as Guarantee,
  stateDirectory: join(directory, 'state'),
  commitInterval: 20,
  saveInterval: 0,
})
await app.start()
process.stdout.write('running\n')
await app.finished
