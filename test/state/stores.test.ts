import { storesContract } from '../contract/stores.ts'

storesContract('rocksdb')
storesContract('memory')
