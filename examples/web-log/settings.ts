/**
 * What a data folder was made for. State and results computed with one window are no start for
 * another, so a folder that was begun with other settings is refused, with the way out.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Arguments, UsageError } from './args.ts'

const SETTINGS_FILE = 'web-log.json'

/** Settings that shape what lies in the folder, under the names of their options. */
interface Settings {
  readonly window: number
  readonly grace: number
  readonly partitions: number
}

/**
 * Compares the folder's settings with those of this run; a new folder takes them.
 *
 * @throws UsageError naming the first that differs
 */
export function checkSettings(folder: string, args: Arguments): void {
  const wanted: Settings = {
    window: args.windowMs,
    grace: args.graceMs,
    partitions: args.partitions,
  }
  const found = readSettings(folder)
  if (found === null) {
    writeSettings(folder, wanted)
    return
  }
  for (const name of ['window', 'grace', 'partitions'] as const) {
    if (found[name] === wanted[name]) continue
    const value = name === 'partitions' ? found[name] : `${found[name]}ms`
    throw new UsageError(
      `--data: ${folder} was begun with --${name} ${value}; say the same, or name another folder`,
    )
  }
}

function readSettings(folder: string): Settings | null {
  try {
    return JSON.parse(readFileSync(join(folder, SETTINGS_FILE), 'utf8')) as Settings
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** By renaming, so that a crash leaves a whole file or none. */
function writeSettings(folder: string, settings: Settings): void {
  const file = join(folder, SETTINGS_FILE)
  writeFileSync(`${file}.new`, JSON.stringify(settings))
  renameSync(`${file}.new`, file)
}
