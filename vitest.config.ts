/**
 * All tests of one `npm test`: behaviour (`*.test.ts`) and types (`*.test-d.ts`).
 *
 * Each file runs in a process of its own, one a core, so that a crash of native code ends one file
 * and not the run (threads measured no faster). What needs Java has its own configuration,
 * `test/java/vitest.config.ts`; long campaigns are scripts of package.json.
 */
import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Where `import 'millrace'` finds the sources instead of the built package. */
const conditions = ['millrace-source', 'node']

const config: ViteUserConfig = defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: { provider: 'v8', include: ['src/**'] },
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'] },
  },
})

export default config
