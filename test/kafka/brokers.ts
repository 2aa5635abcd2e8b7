/** The addresses of the cluster that the tests run on, from env KAFKA_BROKERS. */
export function brokers(): string[] {
  const addresses = process.env.KAFKA_BROKERS
  if (addresses === undefined) throw new Error('KAFKA_BROKERS is not set; use npm run test:kafka')
  return addresses.split(',')
}
