import { MemoryByteStore } from '../../src/state/memory-byte-store.ts'
import { byteStoreContract } from '../contract/byte-store.ts'

byteStoreContract({
  name: 'memory',
  open: async () => new MemoryByteStore(),
  dispose: () => {},
})
