/**
 * The input records of every workload, and the answers a correct program gives to them.
 *
 * Journey: [records] -> files.ts writes them down -> load.ts (ours) and the peer's `load` put them
 * into topics. Times start at 2026-01-01T00:00:00Z. A scale multiplies record counts, not key spaces.
 *
 * Invariants:
 * - The same workload and scale give the same records, byte for byte.
 * - Everything is ASCII, no value holds a tab or a newline, an empty key means a null key.
 */
import { type Random, xorshift32, zipf } from './random.ts'

/** What a generated workload says about its right answers. Fields that have no meaning are absent. */
export interface Answer {
  /** Input records, all topics together. */
  readonly in: number
  /** Output records, for workloads in which each of them is a result. */
  readonly results?: number
  /** Different keys in the output, for workloads whose last value of a key counts. */
  readonly keys?: number
  readonly sum: number
  readonly sum2?: number
}

/** Takes one record; an empty key is a null key. */
export type Put = (topic: string, key: string, timestamp: number, value: string) => void

/** Makes all records of a workload; `count` scales a number of records. */
export type Generate = (put: Put, count: (full: number) => number) => Answer

/** 2026-01-01T00:00:00Z, a whole minute. */
const BASE = Date.UTC(2026, 0, 1)
const REGIONS = ['eu-west', 'eu-north', 'us-east', 'us-west', 'ap-south', 'sa-east'] as const
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0',
  'curl/8.7.1',
  'Googlebot/2.1 (+http://www.google.com/bot.html)',
] as const

/** 256-byte JSON page views; half of them have status 200. */
const filter: Generate = (put, count) => {
  const random = xorshift32(11)
  const total = count(2_000_000)
  let results = 0
  let sum = 0
  for (let index = 0; index < total; index++) {
    const user = `u${random.int(100_000)}`
    const status = random.next() < 0.5 ? 200 : random.pick([301, 304, 404, 500])
    const bytes = 200 + random.int(50_000)
    const head = `{"user":"${user}","page":"/page/${random.int(10_000)}","region":"${random.pick(REGIONS)}","status":${status},"bytes":${bytes},"duration":${random.int(3000)},"referrer":"https://example.org/r/${random.int(1000)}","note":"`
    put('filter-in', user, BASE + index, `${head}${letters(random, 256 - head.length - 2)}"}`)
    if (status === 200) {
      results++
      sum += bytes
    }
  }
  return { in: total, results, sum }
}

function letters(random: Random, length: number): string {
  let text = ''
  while (text.length < length) text += 'abcdefghijklmnopqrstuvwxyz'[random.int(26)]
  return text
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
const twoDigits = (value: number): string => String(value).padStart(2, '0')

/** The bracketed time of an access log line. */
function accessTime(timestamp: number): string {
  const date = new Date(timestamp)
  const day = `${twoDigits(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}`
  return `${day}:${twoDigits(date.getUTCHours())}:${twoDigits(date.getUTCMinutes())}:${twoDigits(date.getUTCSeconds())} +0000`
}

/** Apache Combined Log Format, 3 ms of event time a line: 20,000 lines to the minute. */
const weblog: Generate = (put, count) => {
  const random = xorshift32(22)
  const ranks = zipf(random, 5000)
  const windows = new Set<string>()
  const total = count(1_500_000)
  let bytesSum = 0
  for (let index = 0; index < total; index++) {
    const timestamp = BASE + index * 3
    const address = `${1 + random.int(222)}.${random.int(256)}.${random.int(256)}.${1 + random.int(254)}`
    const who = random.next() < 0.05 ? `user${random.int(500)}` : '-'
    const rank = ranks()
    const path = `/${['articles', 'products', 'img', 'api/v1', 'static'][rank % 5]}/${rank}`
    const draw = random.next()
    const status =
      draw < 0.86 ? 200 : draw < 0.91 ? 304 : draw < 0.94 ? 301 : draw < 0.98 ? 404 : 500
    const bytes = status === 304 ? '-' : String(120 + random.int(60_000))
    const method = random.next() < 0.93 ? 'GET' : 'POST'
    const referrer = random.next() < 0.4 ? '-' : `https://www.example.com/from/${random.int(300)}`
    const request = `"${method} ${path} HTTP/1.1" ${status} ${bytes}`
    const line = `${address} - ${who} [${accessTime(timestamp)}] ${request} "${referrer}" "${random.pick(AGENTS)}"`
    put('weblog-in', '', timestamp, line)
    if (bytes !== '-') bytesSum += Number(bytes)
    windows.add(`${path}@${Math.floor(timestamp / 60_000)}`)
  }
  return { in: total, keys: windows.size, sum: total, sum2: bytesSum }
}

/** Eight Zipf words a line, out of 50,000. */
const wordcount: Generate = (put, count) => {
  const random = xorshift32(33)
  const vocabulary = new Set<string>()
  while (vocabulary.size < 50_000) {
    let word = ''
    for (let left = 3 + random.int(7); left > 0; left--) {
      word += 'etaoinshrdlucmfwypvbgkjqxz'[random.int(26)]
    }
    vocabulary.add(word)
  }
  const words = [...vocabulary]
  const draw = zipf(random, words.length)
  const seen = new Set<number>()
  const total = count(500_000)
  for (let index = 0; index < total; index++) {
    const line: string[] = []
    for (let position = 0; position < 8; position++) {
      const rank = draw()
      seen.add(rank)
      line.push(words[rank]!)
    }
    put('wordcount-in', '', BASE + index, line.join(' '))
  }
  return { in: total, keys: seen.size, sum: total * 8 }
}

interface JoinSide {
  readonly timestamp: number
  readonly price: number
}

/** The records of a user at most ten seconds old; older ones are forgotten. */
function near(side: Map<string, JoinSide[]>, user: string, timestamp: number): readonly JoinSide[] {
  const list = side.get(user)
  if (list === undefined) return []
  while (list.length > 0 && list[0]!.timestamp < timestamp - 10_000) list.shift()
  return list
}

function remember(side: Map<string, JoinSide[]>, user: string, entry: JoinSide): void {
  const list = side.get(user)
  if (list === undefined) side.set(user, [entry])
  else list.push(entry)
}

/** Views and clicks, 1 ms of event time a record; 70 % of clicks follow a view of the last 2,500. */
const streamjoin: Generate = (put, count) => {
  const random = xorshift32(44)
  const recent: string[] = []
  const views = new Map<string, JoinSide[]>()
  const clicks = new Map<string, JoinSide[]>()
  const total = count(1_000_000)
  let results = 0
  let sum = 0
  for (let index = 0; index < total; index++) {
    const timestamp = BASE + index
    if (random.next() < 0.6) {
      const user = `u${random.int(100_000)}`
      recent[index % 2500] = user
      const value = `{"view":${index},"user":"${user}","page":"/page/${random.int(10_000)}","region":"${random.pick(REGIONS)}","at":${timestamp}}`
      put('streamjoin-views', user, timestamp, value)
      for (const click of near(clicks, user, timestamp)) {
        results++
        sum += click.price
      }
      remember(views, user, { timestamp, price: 0 })
    } else {
      let user = `u${random.int(100_000)}`
      if (random.next() < 0.7) user = recent[random.int(2500)] ?? user
      const price = 1 + random.int(500)
      const value = `{"click":${index},"user":"${user}","target":"ad-${random.int(2000)}","price":${price},"at":${timestamp}}`
      put('streamjoin-clicks', user, timestamp, value)
      const matches = near(views, user, timestamp).length
      results += matches
      sum += price * matches
      remember(clicks, user, { timestamp, price })
    }
  }
  return { in: total, results, sum }
}

/** 100,000 users, then page views; one view in ten names a user the table lacks. */
const tablejoin: Generate = (put, count) => {
  const random = xorshift32(55)
  const users = 100_000
  const total = count(1_500_000)
  const ages: number[] = []
  for (let user = 0; user < users; user++) {
    const age = 18 + random.int(70)
    ages.push(age)
    const value = `{"id":"u${user}","name":"Name ${random.int(1e6)}","city":"city-${random.int(500)}","age":${age},"plan":"${random.pick(['free', 'basic', 'pro'])}"}`
    put('tablejoin-users', `u${user}`, BASE, value)
  }
  let sum = 0
  for (let index = 0; index < total; index++) {
    const user = random.int(Math.floor(users / 0.9))
    const value = `{"view":${index},"user":"u${user}","page":"/page/${random.int(10_000)}","region":"${random.pick(REGIONS)}","duration":${random.int(3000)}}`
    put('tablejoin-views', `u${user}`, BASE + 1 + index, value)
    sum += ages[user] ?? 0
  }
  return { in: total + users, results: total, sum }
}

/** 5,000 keys, 1 ms a record; every record falls into ten windows. */
const hopping: Generate = (put, count) => {
  const random = xorshift32(66)
  const total = count(400_000)
  const windows = new Set<number>()
  for (let index = 0; index < total; index++) {
    const key = random.int(5000)
    const timestamp = BASE + index
    put('hopping-in', `k${key}`, timestamp, `{"sensor":"k${key}","reading":${random.int(10_000)}}`)
    const last = Math.floor(timestamp / 1000)
    for (let hop = 0; hop < 10; hop++) windows.add(key * 1e6 + (last - hop - BASE / 1000 + 10))
  }
  return { in: total, keys: windows.size, sum: total * 10 }
}

/** 2,000 active users at a time out of 50,000; a record swaps its user in 1 case of 20. */
const sessions: Generate = (put, count) => {
  const random = xorshift32(77)
  const total = count(800_000)
  const active = Array.from({ length: 2000 }, () => random.int(50_000))
  const last = new Map<number, number>()
  let keys = 0
  for (let index = 0; index < total; index++) {
    const slot = random.int(2000)
    const user = active[slot]!
    const timestamp = BASE + index
    if (random.next() < 0.05) active[slot] = random.int(50_000)
    const action = random.pick(['view', 'click', 'scroll', 'buy'])
    put('sessions-in', `u${user}`, timestamp, `{"user":"u${user}","action":"${action}"}`)
    const before = last.get(user)
    if (before === undefined || timestamp - before > 5000) keys++
    last.set(user, timestamp)
  }
  return { in: total, keys, sum: total }
}

/** 10,000 customers, 200,000 orders, then 100,000 order updates and 2,000 customer updates mixed in. */
const fkjoin: Generate = (put, count) => {
  const random = xorshift32(88)
  const customers = 10_000
  const orders = count(200_000)
  const rates: number[] = []
  const owners: number[] = []
  const amounts: number[] = []
  let timestamp = BASE
  const putCustomer = (id: number): void => {
    rates[id] = 1 + random.int(9)
    const value = `{"id":"c${id}","name":"Customer ${random.int(1e6)}","rate":${rates[id]}}`
    put('fkjoin-customers', `c${id}`, timestamp++, value)
  }
  const putOrder = (id: number): void => {
    amounts[id] = 1 + random.int(1000)
    const value = `{"id":"o${id}","customer":"c${owners[id]}","amount":${amounts[id]},"item":"item-${random.int(5000)}"}`
    put('fkjoin-orders', `o${id}`, timestamp++, value)
  }
  for (let id = 0; id < customers; id++) putCustomer(id)
  for (let id = 0; id < orders; id++) {
    owners[id] = random.int(customers)
    putOrder(id)
  }
  const updates = count(100_000)
  for (let index = 0; index < updates; index++) {
    const id = random.int(orders)
    if (random.next() < 0.5) owners[id] = random.int(customers)
    putOrder(id)
    if (index % 50 === 0) putCustomer(random.int(customers))
  }
  let sum = 0
  for (let id = 0; id < orders; id++) sum += amounts[id]! * rates[owners[id]!]!
  return { in: timestamp - BASE, keys: orders, sum }
}

export const GENERATORS: Readonly<Record<string, Generate>> = {
  filter,
  weblog,
  'weblog-grace10': weblog,
  wordcount,
  streamjoin,
  tablejoin,
  hopping,
  sessions,
  fkjoin,
}
