/**
 * Every API that is declared, in the order of their numbers: the table of contents of `messages/`.
 */
import type { Api } from './api.ts'
import type { Fields } from './fields.ts'
import { Produce } from './messages/00-produce.ts'
import { Fetch } from './messages/01-fetch.ts'
import { ListOffsets } from './messages/02-list-offsets.ts'
import { Metadata } from './messages/03-metadata.ts'
import { OffsetCommit } from './messages/08-offset-commit.ts'
import { OffsetFetch } from './messages/09-offset-fetch.ts'
import { FindCoordinator } from './messages/10-find-coordinator.ts'
import { JoinGroup } from './messages/11-join-group.ts'
import { Heartbeat } from './messages/12-heartbeat.ts'
import { LeaveGroup } from './messages/13-leave-group.ts'
import { SyncGroup } from './messages/14-sync-group.ts'
import { DescribeGroups } from './messages/15-describe-groups.ts'
import { ListGroups } from './messages/16-list-groups.ts'
import { SaslHandshake } from './messages/17-sasl-handshake.ts'
import { ApiVersions } from './messages/18-api-versions.ts'
import { CreateTopics } from './messages/19-create-topics.ts'
import { DeleteTopics } from './messages/20-delete-topics.ts'
import { DeleteRecords } from './messages/21-delete-records.ts'
import { InitProducerId } from './messages/22-init-producer-id.ts'
import { OffsetForLeaderEpoch } from './messages/23-offset-for-leader-epoch.ts'
import { AddPartitionsToTxn } from './messages/24-add-partitions-to-txn.ts'
import { AddOffsetsToTxn } from './messages/25-add-offsets-to-txn.ts'
import { EndTxn } from './messages/26-end-txn.ts'
import { TxnOffsetCommit } from './messages/28-txn-offset-commit.ts'
import { DescribeConfigs } from './messages/32-describe-configs.ts'
import { SaslAuthenticate } from './messages/36-sasl-authenticate.ts'
import { CreatePartitions } from './messages/37-create-partitions.ts'
import { DeleteGroups } from './messages/42-delete-groups.ts'
import { IncrementalAlterConfigs } from './messages/44-incremental-alter-configs.ts'
import { OffsetDelete } from './messages/47-offset-delete.ts'
import { DescribeCluster } from './messages/60-describe-cluster.ts'
import { DescribeProducers } from './messages/61-describe-producers.ts'
import { DescribeTransactions } from './messages/65-describe-transactions.ts'
import { ListTransactions } from './messages/66-list-transactions.ts'
import { ConsumerGroupHeartbeat } from './messages/68-consumer-group-heartbeat.ts'
import { ConsumerGroupDescribe } from './messages/69-consumer-group-describe.ts'
import { StreamsGroupHeartbeat } from './messages/88-streams-group-heartbeat.ts'
import { StreamsGroupDescribe } from './messages/89-streams-group-describe.ts'

export const APIS: readonly Api<Fields, Fields>[] = [
  Produce,
  Fetch,
  ListOffsets,
  Metadata,
  OffsetCommit,
  OffsetFetch,
  FindCoordinator,
  JoinGroup,
  Heartbeat,
  LeaveGroup,
  SyncGroup,
  DescribeGroups,
  ListGroups,
  SaslHandshake,
  ApiVersions,
  CreateTopics,
  DeleteTopics,
  DeleteRecords,
  InitProducerId,
  OffsetForLeaderEpoch,
  AddPartitionsToTxn,
  AddOffsetsToTxn,
  EndTxn,
  TxnOffsetCommit,
  DescribeConfigs,
  SaslAuthenticate,
  CreatePartitions,
  DeleteGroups,
  IncrementalAlterConfigs,
  OffsetDelete,
  DescribeCluster,
  DescribeProducers,
  DescribeTransactions,
  ListTransactions,
  ConsumerGroupHeartbeat,
  ConsumerGroupDescribe,
  StreamsGroupHeartbeat,
  StreamsGroupDescribe,
]
