import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeFileSystem } from '../src/node-file-system.ts'
import { fileSystemContract } from './contract/file-system.ts'

fileSystemContract({
  name: 'the machine',
  create: () => ({
    fileSystem: new NodeFileSystem(),
    directory: mkdtempSync(join(tmpdir(), 'millrace-fs-')),
  }),
  dispose: (directory) => rmSync(directory, { recursive: true }),
})

describe('the lock of a folder', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-lock-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  it('held by another process names that process, and is free once it was killed', async () => {
    const holder = spawn(process.execPath, ['--input-type=module', '-e', holderProgram(directory)])
    await new Promise<void>((resolve) => holder.stdout.once('data', () => resolve()))
    expect(() => new NodeFileSystem().lock(`${directory}/.lock`)).toThrow(
      `the folder ${directory} is in use by process ${holder.pid}`,
    )
    const ended = new Promise<void>((resolve) => holder.once('exit', () => resolve()))
    holder.kill('SIGKILL')
    await ended
    new NodeFileSystem().lock(`${directory}/.lock`).release()
    expect(readdirSync(directory)).toEqual([])
  })

  it('is taken over from a process of an earlier boot or start with the same pid', () => {
    for (const stale of [
      `${process.pid} 1 -\n`,
      `${process.pid} - another-boot\n`,
      '',
      'rubbish',
    ]) {
      writeFileSync(`${directory}/.lock`, stale)
      new NodeFileSystem().lock(`${directory}/.lock`).release()
      expect(readdirSync(directory)).toEqual([])
    }
  })

  it('goes to exactly one of many contenders for a dead holder', async () => {
    writeFileSync(`${directory}/.lock`, '999999999 1 -\n')
    const contenders = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', holderProgram(directory)]),
    )
    const outcomes = await Promise.all(
      contenders.map(
        (child) =>
          new Promise<string>((resolve) => {
            child.stdout.once('data', () => resolve('held'))
            child.once('exit', () => resolve('refused'))
          }),
      ),
    )
    for (const child of contenders) child.kill('SIGKILL')
    expect(outcomes.filter((outcome) => outcome === 'held')).toHaveLength(1)
  })
})

function holderProgram(directory: string): string {
  const module = new URL('../src/node-file-system.ts', import.meta.url).href
  return `
    import { NodeFileSystem } from ${JSON.stringify(module)}
    new NodeFileSystem().lock(${JSON.stringify(`${directory}/.lock`)})
    console.log('held')
    setInterval(() => {}, 1000)
  `
}
