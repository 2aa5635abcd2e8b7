import { describe, expect, it } from 'vitest'
import { progressOn } from '../../../examples/web-log/progress.ts'

function terminal(isTTY: boolean): { stream: NodeJS.WriteStream; said: string[] } {
  const said: string[] = []
  const write = (text: string): boolean => said.push(text) > 0
  return { stream: { isTTY, columns: 20, write } as unknown as NodeJS.WriteStream, said }
}

describe('progress', () => {
  it('draws one line on a terminal, cut to its width, and wipes it for what stays', () => {
    const { stream, said } = terminal(true)
    const progress = progressOn(stream)
    progress.show(() => 'processed 1 of 300,000 lines')
    progress.show(() => 'too soon to be drawn')
    progress.notice('the file was rotated')
    progress.clear()
    expect(said).toEqual([
      '\r\u001b[2Kprocessed 1 of 300,',
      '\r\u001b[2K',
      'the file was rotated\n',
    ])
  })

  it('draws nothing where nobody looks, but keeps notices', () => {
    const { stream, said } = terminal(false)
    const progress = progressOn(stream)
    progress.show(() => 'processed 1 of 300,000 lines')
    progress.notice('the file was rotated')
    progress.clear()
    expect(said).toEqual(['the file was rotated\n'])
  })
})
