/**
 * The project brings its own Node: the pinned `node` package is first in PATH inside npm scripts.
 * Its install script puts the binary there, so an install without scripts leaves the system's Node.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repositoryRoot } from './source-files.ts'

test('tests run on the pinned Node', () => {
  const { devDependencies } = JSON.parse(
    readFileSync(join(repositoryRoot, 'package.json'), 'utf8'),
  ) as { devDependencies: Record<string, string> }
  expect(
    process.version,
    'This is not the Node of package.json. Install with `npm ci` (not with --ignore-scripts) and run ' +
      'through npm (`npm test`, `npm start`), which puts node_modules/.bin first in PATH.',
  ).toBe(`v${devDependencies.node}`)
})
