/**
 * Real Kafka brokers from Maven's jars (`test/java/pom.xml`), on loopback: one node or three, each
 * broker and controller at once (KRaft), in a temporary folder that goes with them.
 *
 * Each node has four listeners: plain, TLS, SASL (PLAIN, SCRAM) and OAUTHBEARER. Only processes that
 * were started here are ever stopped.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JARS, prepareJars } from '../java/dump-log-segments.ts'
import { freePort, JavaProcess } from './java-process.ts'

const HEAP_MB = 384
const CLASS_PATH: string = join(JARS, '*')

export const USER = 'alice'
export const PASSWORD = 'alice-secret'
const STORE_PASSWORD = 'changeit'

const LISTENERS = ['PLAIN', 'TLS', 'SASL', 'OAUTH', 'CONTROLLER'] as const
export type Listener = (typeof LISTENERS)[number]

export interface ClusterOptions {
  readonly nodes: 1 | 3
  /** More lines of every node's configuration. */
  readonly config?: Readonly<Record<string, string>>
}

interface BrokerNode {
  readonly id: number
  readonly folder: string
  readonly ports: Readonly<Record<Listener, number>>
  readonly process: JavaProcess
}

export class TestCluster implements AsyncDisposable {
  readonly folder: string
  readonly nodes: readonly BrokerNode[]

  private constructor(folder: string, nodes: readonly BrokerNode[]) {
    this.folder = folder
    this.nodes = nodes
  }

  /** Formats and starts a cluster; resolves when every node takes connections. */
  static async start(options: ClusterOptions): Promise<TestCluster> {
    prepareJars()
    const folder = mkdtempSync(join(tmpdir(), 'millrace-kafka-'))
    makeCertificate(folder)
    const nodes: BrokerNode[] = []
    for (let id = 1; id <= options.nodes; id++) {
      const ports = {} as Record<Listener, number>
      for (const listener of LISTENERS) ports[listener] = await freePort()
      nodes.push(nodeOf(id, { folder: join(folder, `node-${id}`), ports }))
    }
    const clusterId = randomBytes(16).toString('base64url')
    for (const node of nodes)
      format(node, { nodes, clusterId, folder, config: options.config ?? {} })
    const cluster = new TestCluster(folder, nodes)
    try {
      await Promise.all(nodes.map(({ id }) => cluster.startNode(id)))
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  /** Addresses to give to `kafka({ brokers })`. */
  brokers(listener: Listener = 'PLAIN'): string[] {
    return this.nodes.map(({ ports }) => `localhost:${ports[listener]}`)
  }

  /** The certificate that signed those of the TLS listeners: themselves. */
  get certificate(): string {
    return readFileSync(join(this.folder, 'certificate.pem'), 'utf8')
  }

  startNode(id: number): Promise<void> {
    return this.#node(id).process.start()
  }

  /** `SIGTERM` moves leaders away first, `SIGKILL` does not. Resolves when the process is gone. */
  stopNode(id: number, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    return this.#node(id).process.stop(signal)
  }

  freeze(id: number, isFrozen: boolean): void {
    this.#node(id).process.freeze(isFrozen)
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ id }) => this.stopNode(id, 'SIGKILL')))
    rmSync(this.folder, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #node(id: number): BrokerNode {
    const node = this.nodes.find((one) => one.id === id)
    if (node === undefined) throw new Error(`there is no node ${id}`)
    return node
  }
}

function nodeOf(id: number, place: Pick<BrokerNode, 'folder' | 'ports'>): BrokerNode {
  const { folder, ports } = place
  mkdirSync(folder)
  const program = {
    classPath: CLASS_PATH,
    command: ['kafka.Kafka', configFile(place)],
    heapMb: HEAP_MB,
    port: ports.PLAIN,
    logFile: join(folder, 'stdout.log'),
  }
  return { id, ...place, process: new JavaProcess(program) }
}

function configFile({ folder }: Pick<BrokerNode, 'folder'>): string {
  return join(folder, 'server.properties')
}

interface ClusterPlan {
  readonly nodes: readonly BrokerNode[]
  readonly clusterId: string
  readonly folder: string
  readonly config: Readonly<Record<string, string>>
}

function format(node: BrokerNode, { nodes, clusterId, folder, config }: ClusterPlan): void {
  const copies = nodes.length === 1 ? 1 : 3
  const inSync = nodes.length === 1 ? 1 : 2
  const addresses = LISTENERS.map((name) => `${name}://localhost:${node.ports[name]}`)
  const jaas = 'org.apache.kafka.common.security'
  const scram = `${jaas}.scram.ScramLoginModule required;`
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': nodes
      .map(({ id, ports }) => `${id}@localhost:${ports.CONTROLLER}`)
      .join(','),
    listeners: addresses.join(','),
    'advertised.listeners': addresses.slice(0, -1).join(','),
    'listener.security.protocol.map':
      'PLAIN:PLAINTEXT,TLS:SSL,SASL:SASL_PLAINTEXT,OAUTH:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAIN',
    'ssl.keystore.location': join(folder, 'keystore.p12'),
    'ssl.keystore.password': STORE_PASSWORD,
    'ssl.key.password': STORE_PASSWORD,
    'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasl.plain.sasl.jaas.config': `${jaas}.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`,
    'listener.name.sasl.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.sasl.scram-sha-512.sasl.jaas.config': scram,
    'listener.name.sasl.scram-sha-512.connections.max.reauth.ms': '11000',
    'listener.name.oauth.sasl.enabled.mechanisms': 'OAUTHBEARER',
    'listener.name.oauth.oauthbearer.sasl.jaas.config': `${jaas}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="${USER}";`,
    'log.dirs': join(node.folder, 'data'),
    'default.replication.factor': String(copies),
    'min.insync.replicas': String(inSync),
    'offsets.topic.replication.factor': String(copies),
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': String(copies),
    'transaction.state.log.min.isr': String(inSync),
    'transaction.state.log.num.partitions': '4',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    'log.retention.hours': '-1',
    // A busy machine stops a JVM for seconds; that is no failure of the node.
    'controller.quorum.election.timeout.ms': '5000',
    'controller.quorum.fetch.timeout.ms': '10000',
    'broker.session.timeout.ms': '15000',
    ...config,
  }
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`)
  writeFileSync(configFile(node), `${lines.join('\n')}\n`)
  const credentials = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${USER},password=${PASSWORD}]`,
  ])
  const tool = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', configFile(node)]
  execFileSync('java', ['-cp', CLASS_PATH, ...tool, ...credentials], { stdio: 'pipe' })
}

/** A key and a certificate of its own for `localhost`, as the brokers and as the clients want it. */
function makeCertificate(folder: string): void {
  const store = ['-keystore', join(folder, 'keystore.p12'), '-storepass', STORE_PASSWORD]
  const key = ['-alias', 'broker', '-keyalg', 'EC', '-dname', 'CN=localhost', '-validity', '30']
  const names = ['-ext', 'san=dns:localhost,ip:127.0.0.1', '-storetype', 'PKCS12']
  execFileSync('keytool', ['-genkeypair', ...store, ...key, ...names], { stdio: 'pipe' })
  const file = join(folder, 'certificate.pem')
  const out = ['-alias', 'broker', '-rfc', '-file', file]
  execFileSync('keytool', ['-exportcert', ...store, ...out], { stdio: 'pipe' })
}
