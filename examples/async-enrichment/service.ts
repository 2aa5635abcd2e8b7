/**
 * The service that is asked: on this machine, with the manners of one that is not. Of its answers
 * every fifth is an error, every eleventh never comes, and the others take 0 to 8 ms.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const CITIES: Readonly<Record<string, string>> = {
  ada: 'London',
  emmy: 'Erlangen',
  grace: 'Arlington',
}

export interface Service {
  readonly url: string
  /** Questions that were asked so far. */
  readonly questions: number
  close(): Promise<void>
}

export async function startService(): Promise<Service> {
  let questions = 0
  const server = createServer((request, response) => {
    const number = ++questions
    const customer = request.url?.split('/').at(-1) ?? ''
    if (number % 11 === 0) return
    setTimeout(() => answer(response, number, CITIES[customer]), number % 9)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    get questions() {
      return questions
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function answer(response: ServerResponse, number: number, city: string | undefined): void {
  if (number % 5 === 0) response.writeHead(503).end()
  else if (city === undefined) response.writeHead(404).end()
  else response.writeHead(200).end(JSON.stringify({ city }))
}
