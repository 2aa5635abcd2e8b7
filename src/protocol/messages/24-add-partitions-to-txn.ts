/**
 * AddPartitionsToTxn (24) v0-5: makes partitions part of a transaction.
 *
 * v2: error PRODUCER_FENCED (KIP-588). v3: flexible; the last one for clients. v4: several
 * transactions, verifyOnly, for brokers among themselves (KIP-890). v5: error
 * TRANSACTION_ABORTABLE.
 */
import { api } from '../api.ts'
import { array, bool, int16, int32, int64, string } from '../fields.ts'

const addPartitionsToTxnTopic = {
  name: string(),
  partitions: array(int32()),
}

const addPartitionsToTxnPartitionResult = {
  partitionIndex: int32(),
  partitionErrorCode: int16(),
}

const addPartitionsToTxnTopicResult = {
  name: string(),
  resultsByPartition: array(addPartitionsToTxnPartitionResult),
}

export const AddPartitionsToTxn = api('AddPartitionsToTxn', {
  key: 24,
  versions: [0, 5],
  flexible: 3,
  request: {
    transactions: array(
      {
        transactionalId: string(),
        producerId: int64(),
        producerEpoch: int16(),
        verifyOnly: bool({ fallback: false }),
        topics: array(addPartitionsToTxnTopic),
      },
      { since: 4 },
    ),
    v3AndBelowTransactionalId: string({ until: 3 }),
    v3AndBelowProducerId: int64({ until: 3 }),
    v3AndBelowProducerEpoch: int16({ until: 3 }),
    v3AndBelowTopics: array(addPartitionsToTxnTopic, { until: 3 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16({ since: 4, ignorable: true }),
    resultsByTransaction: array(
      {
        transactionalId: string(),
        topicResults: array(addPartitionsToTxnTopicResult),
      },
      { since: 4 },
    ),
    resultsByTopicV3AndBelow: array(addPartitionsToTxnTopicResult, { until: 3 }),
  },
})
