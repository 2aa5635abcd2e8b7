import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Tests that need Java and Maven: `npm run test:java`. */
const config: ViteUserConfig = defineConfig({
  resolve: { conditions: ['millrace-source', 'node'] },
  ssr: { resolve: { conditions: ['millrace-source', 'node'] } },
  test: { include: ['test/java/**/*.java-test.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
})

export default config
