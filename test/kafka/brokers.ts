/** The cluster that the tests run on, as `main.ts` tells it in the environment. */
import type { Listener } from './cluster.ts'

const VARIABLES: Readonly<Record<Exclude<Listener, 'CONTROLLER'>, string>> = {
  PLAIN: 'KAFKA_BROKERS',
  TLS: 'KAFKA_TLS',
  SASL: 'KAFKA_SASL',
  OAUTH: 'KAFKA_OAUTH',
}

/** Addresses of a listener of every broker. */
export function brokers(listener: Exclude<Listener, 'CONTROLLER'> = 'PLAIN'): string[] {
  return variable(VARIABLES[listener]).split(',')
}

/** False on a cluster with a plain listener only. */
export function hasListeners(): boolean {
  return 'KAFKA_TLS' in process.env
}

/** What the TLS listeners' certificates are signed by, as PEM. */
export function certificate(): string {
  return variable('KAFKA_CERTIFICATE')
}

function variable(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set; use npm run test:kafka`)
  return value
}
