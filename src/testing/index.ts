/** Test tools for programs written with millrace: `import { ... } from 'millrace/testing'`. */
export { TestClock } from './test-clock.ts'
export {
  TestInput,
  type TestInputRecord,
  TestOutput,
  type TestRecord,
  TopologyTestDriver,
  type TopologyTestDriverOptions,
} from './topology-test-driver.ts'
