import type { History } from '../api/types'

export interface Drawn {
  line: [number, number | null][]
  /** Lowest and highest of each mean, as the lower edge and the height above it. */
  low: [number, number | null][]
  height: [number, number | null][]
  gaps: { from: number; to: number }[]
  /** Least and greatest number drawn, or undefined without any. */
  span: { min: number; max: number } | undefined
}

const asNumber = (value: History['v'][number] | undefined): number | null => {
  if (typeof value === 'number') return value
  return typeof value === 'boolean' ? Number(value) : null
}

function median(sorted: number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

/** Longest step between two samples that is no gap: three usual ones, or two cadences. */
function longestStep(times: readonly number[], cadence: number | undefined): number {
  const steps = times.slice(1).map((time, index) => time - (times[index] ?? time))
  const usual = median(steps.sort((a, b) => a - b))
  return Math.max(usual * 3, (cadence ?? 0) * 2000, 1000)
}

/** Columns to what a chart draws; the line is broken where samples are missing. */
export function drawn(history: History, cadence: number | undefined): Drawn {
  const result: Drawn = { line: [], low: [], height: [], gaps: [], span: undefined }
  const longest = longestStep(history.t, cadence)
  const every = cadence === undefined && !history.aggregated ? Infinity : longest
  let before: number | undefined
  let min = Infinity
  let max = -Infinity
  history.t.forEach((time, index) => {
    if (before !== undefined && time - before > every) {
      result.gaps.push({ from: before, to: time })
      for (const list of [result.line, result.low, result.height]) list.push([before + 1, null])
    }
    before = time
    const value = asNumber(history.v[index])
    const low = asNumber(history.min?.[index]) ?? value
    const high = asNumber(history.max?.[index]) ?? value
    result.line.push([time, value])
    result.low.push([time, low])
    result.height.push([time, low === null || high === null ? null : high - low])
    if (low !== null) min = Math.min(min, low)
    if (high !== null) max = Math.max(max, high)
  })
  if (min <= max) result.span = { min, max }
  return result
}

/** Round bounds that hold the data, and limits unless they lie far away from it. */
export function bounds(
  span: { min: number; max: number } | undefined,
  limits: readonly number[],
): { min: number; max: number } {
  if (!span) return { min: 0, max: 1 }
  const size = span.max - span.min || Math.abs(span.max) * 0.02 || 1
  const near = limits.filter((one) => one > span.min - 2.5 * size && one < span.max + 2.5 * size)
  const low = Math.min(span.min, ...near)
  const high = Math.max(span.max, ...near)
  const pad = (high - low || size) * 0.1
  const power = 10 ** Math.floor(Math.log10((high - low + 2 * pad) / 4))
  const grid = [1, 2, 5, 10].map((n) => n * power).find((n) => (high - low + 2 * pad) / n <= 5) ?? power
  const round = (n: number): number => Number(n.toPrecision(12))
  return {
    min: round(Math.floor((low - pad) / grid) * grid),
    max: round(Math.ceil((high + pad) / grid) * grid),
  }
}
