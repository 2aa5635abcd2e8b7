/** Every example in the documentation of the DSL runs, as it stands. */
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { describe, expect, test } from 'vitest'
import * as millrace from '../../src/index.ts'

const folder = new URL('../../src/dsl/', import.meta.url)

/** The code of each example of a file, by the line it stands on. */
function examplesOf(file: string): [string, string][] {
  const source = readFileSync(new URL(file, folder), 'utf8')
  return [...source.matchAll(/@example\n\s*\* ```ts\n(.*?)\n\s*\* ```/gs)].map((match) => {
    const line = source.slice(0, match.index).split('\n').length
    const code = (match[1] as string).replace(/^\s*\* ?/gm, '')
    return [`${file}:${line}`, code]
  })
}

const examples = readdirSync(folder).flatMap(examplesOf)

/** What examples take for granted. */
function setting(): Record<string, unknown> {
  const builder = new millrace.StreamsBuilder()
  const { text, json } = millrace
  const stream = (name: string): unknown => builder.stream(name, { key: text, value: json() })
  const table = (name: string): unknown => builder.table(name, { key: text, value: json() })
  const streams = [
    'alerts',
    'appHits',
    'clicks',
    'hits',
    'impressions',
    'lines',
    'orders',
    'readings',
    'updates',
    'webHits',
    'words',
  ]
  const names = Object.fromEntries(streams.map((name) => [name, stream(`the-${name}`)]))
  const tables = { users: table('the-users'), customers: table('the-customers') }
  return { ...millrace, ...names, ...tables, builder, parseTime: Date.parse, console: { log() {} } }
}

describe('the example at', () => {
  test.each(examples)('%s builds', (_place, code) => {
    const given = setting()
    const body = stripTypeScriptTypes(`{${code}}`)
    expect(() => new Function(...Object.keys(given), body)(...Object.values(given))).not.toThrow()
    expect((given.builder as millrace.StreamsBuilder).build().describe()).toMatch(/^Topologies:/)
  })

  test('each class and verb is there', () => {
    expect(examples.length).toBeGreaterThan(30)
  })
})
