/** Restores a task, `restore-kill-child.ts FOLDER CHANGELOGS`, and a dot for each batch; is killed. */
import { openTask, restoreAll } from './restore-kill.ts'

const [directory, changelogs] = process.argv.slice(2) as [string, string]
const state = await openTask(directory, 'rocksdb')
await restoreAll(state, changelogs, () => process.stdout.write('.'))
await state.close()
