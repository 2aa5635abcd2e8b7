import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Tests on a real broker: `npm run test:kafka`. */
const config: ViteUserConfig = defineConfig({
  resolve: { conditions: ['millrace-source', 'node'] },
  ssr: { resolve: { conditions: ['millrace-source', 'node'] } },
  test: {
    include: ['test/kafka/**/*.kafka-test.ts'],
    // One cluster for all files.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})

export default config
