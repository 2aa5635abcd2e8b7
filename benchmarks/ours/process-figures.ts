/** What this process has used: CPU of all threads, peak memory, and the noise of the machine. */
import { readFileSync } from 'node:fs'

/** Clock ticks of /proc/stat per second. */
const TICKS_PER_SECOND = 100

/** CPU seconds, user and system, of all threads so far. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** The largest resident size so far (VmHWM), in MiB. */
export function peakMemoryMiB(): number {
  const status = readOrEmpty('/proc/self/status')
  const kibibytes = /VmHWM:\s+(\d+)/.exec(status)?.[1] ?? process.resourceUsage().maxRSS
  return Number(kibibytes) / 1024
}

/** CPU seconds the machine has been busy, stolen time included; 0 where /proc is not there. */
export function machineBusySeconds(): number {
  const fields = readOrEmpty('/proc/stat').split('\n', 1)[0]!.split(/\s+/).slice(1).map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, stolen = 0] = fields
  return (user + nice + system + irq + softIrq + stolen) / TICKS_PER_SECOND
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
