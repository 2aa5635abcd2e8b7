import { kafka } from '../../src/client/kafka.ts'
import { logClientContract } from '../contract/log-client.ts'
import { brokers } from './brokers.ts'

logClientContract({
  name: 'a Kafka cluster',
  open: async () => kafka({ brokers: brokers() }),
  dispose: async (client) => client.close(),
})
