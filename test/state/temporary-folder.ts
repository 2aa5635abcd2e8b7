/** A folder of its own for a test, below the system's temporary folder. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TemporaryFolder {
  readonly path: string
  remove(): void
}

export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'millrace-state-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
