import type { History } from '../api/types'

const AT_ONCE = 2
let running = 0
const queue: (() => void)[] = []

/** Run `load` when few others run; a picture beside a row may fail without a word. */
export async function taken<T>(load: () => Promise<T>): Promise<T | undefined> {
  if (running >= AT_ONCE) await new Promise<void>((go) => queue.push(go))
  running += 1
  try {
    return await load()
  } catch {
    return undefined
  } finally {
    running -= 1
    queue.shift()?.()
  }
}

/** A small line of numbers with the limit they are judged by, or nothing to draw. */
export function sparkPaths(
  history: History,
  limit: number | null,
  width: number,
  height: number,
): { line: string; limit: string } | undefined {
  const points = history.t.flatMap((time, index) => {
    const value = history.v[index]
    if (typeof value === 'number') return [[time, value] as const]
    return typeof value === 'boolean' ? [[time, value ? 1 : 0] as const] : []
  })
  const first = points[0]
  const last = points.at(-1)
  if (!first || !last || points.length < 2) return undefined
  const values = points.map(([, value]) => value)
  if (limit !== null) values.push(limit)
  const low = Math.min(...values)
  const size = Math.max(...values) - low || 1
  const x = (time: number): string =>
    (2 + ((time - first[0]) / (last[0] - first[0] || 1)) * (width - 4)).toFixed(1)
  const y = (value: number): string =>
    (height - 6 - ((value - low) / size) * (height - 12)).toFixed(1)
  return {
    line: points.map(([time, value], i) => `${i ? 'L' : 'M'}${x(time)} ${y(value)}`).join(''),
    limit: limit === null ? '' : `M2 ${y(limit)}H${width - 2}`,
  }
}
