import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'

const MAIN = resolve(import.meta.dirname, '../../../examples/web-log/main.ts')

function run(...argv: string[]): { code: number | null; out: string; err: string } {
  const options = { encoding: 'utf8' } as const
  const done = spawnSync(process.execPath, ['--conditions=millrace-source', MAIN, ...argv], options)
  return { code: done.status, out: done.stdout, err: done.stderr }
}

describe('the command of the main job', () => {
  it('prints its table and figures, nothing else, and exits 0', () => {
    const { code, out, err } = run()
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(out).toContain('lines 2,000, rejected 7, late 0, windows ')
  })

  it('stops following on SIGINT, with its report, and exits 0', async () => {
    const data = mkdtempSync(join(tmpdir(), 'millrace-main-'))
    try {
      const argv = ['--conditions=millrace-source', MAIN, '--follow', '--data', data]
      const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
      let out = ''
      child.stdout.on('data', (bytes) => {
        out += bytes
      })
      const ended = once(child, 'close')
      // The folder is begun after the signals are listened to.
      while (!existsSync(join(data, 'web-log.json'))) await wait(20)
      await wait(300)
      child.kill('SIGINT')
      expect(await ended).toEqual([0, null])
      expect(out).toMatch(/lines [\d,]+, rejected \d, late 0, windows /)
    } finally {
      rmSync(data, { recursive: true })
    }
  })

  it('explains itself', () => {
    expect(run('--help')).toMatchObject({ code: 0, err: '' })
    expect(run('--help').out).toContain('--window DURATION')
  })

  it('exits 2 on misuse, saying what to do, having touched nothing', () => {
    const folder = join(tmpdir(), `millrace-never-${process.pid}`)
    const { code, err, out } = run('--window', '5', '--data', folder)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toBe(
      "web-log: --window is '5'; write a duration such as 500ms, 10s, 5m, 2h or 7d, more than 0\n" +
        'npm start -- --help shows the options\n',
    )
    expect(existsSync(folder)).toBe(false)
  })
})
