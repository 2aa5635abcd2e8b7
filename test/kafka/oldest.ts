/**
 * The oldest broker that the client supports, Kafka 2.5.1, with the ZooKeeper that it needs: one
 * node, one plain listener, in a temporary folder that goes with it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareJars } from '../java/dump-log-segments.ts'
import { freePort, JavaProcess } from './java-process.ts'

export class OldestKafka implements AsyncDisposable {
  readonly #folder: string
  readonly #processes: readonly JavaProcess[]
  readonly #port: number

  private constructor(folder: string, processes: readonly JavaProcess[], port: number) {
    this.#folder = folder
    this.#processes = processes
    this.#port = port
  }

  static async start(): Promise<OldestKafka> {
    const classPath = join(prepareJars(join(import.meta.dirname, 'oldest')), '*')
    const folder = mkdtempSync(join(tmpdir(), 'millrace-kafka-'))
    const [zooKeeperPort, port] = [await freePort(), await freePort()]
    const program = (mainClass: string, name: string, options: { port: number; heapMb: number }) =>
      new JavaProcess({
        ...options,
        classPath,
        command: [mainClass, join(folder, `${name}.properties`)],
        logFile: join(folder, `${name}.log`),
      })
    writeProperties(join(folder, 'zookeeper.properties'), {
      tickTime: '2000',
      dataDir: join(folder, 'zookeeper'),
      clientPort: String(zooKeeperPort),
      'admin.enableServer': 'false',
    })
    writeProperties(join(folder, 'kafka.properties'), {
      'broker.id': '1',
      listeners: `PLAINTEXT://localhost:${port}`,
      'zookeeper.connect': `localhost:${zooKeeperPort}`,
      'zookeeper.session.timeout.ms': '30000',
      'log.dirs': join(folder, 'data'),
      'offsets.topic.replication.factor': '1',
      'offsets.topic.num.partitions': '4',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      'transaction.state.log.num.partitions': '4',
      'group.initial.rebalance.delay.ms': '0',
      'auto.create.topics.enable': 'false',
      'log.retention.hours': '-1',
    })
    const zooKeeper = program('org.apache.zookeeper.server.quorum.QuorumPeerMain', 'zookeeper', {
      port: zooKeeperPort,
      heapMb: 64,
    })
    const kafka = program('kafka.Kafka', 'kafka', { port, heapMb: 256 })
    const broker = new OldestKafka(folder, [kafka, zooKeeper], port)
    try {
      await zooKeeper.start()
      await kafka.start()
    } catch (error) {
      await broker.stop()
      throw error
    }
    return broker
  }

  brokers(): string[] {
    return [`localhost:${this.#port}`]
  }

  async stop(): Promise<void> {
    for (const process of this.#processes) await process.stop('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function writeProperties(file: string, properties: Readonly<Record<string, string>>): void {
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`)
  writeFileSync(file, `${lines.join('\n')}\n`)
}
