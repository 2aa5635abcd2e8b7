import { storesContract } from '../contract/stores.ts'

storesContract('rocksdb')
storesContract('memory')
storesContract('memory', true)
storesContract('rocksdb', true)
