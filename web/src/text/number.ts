import type { Value, ValueType } from '../api/types'

/** Stands for "written with an exponent" where a number of decimals is held. */
const EXPONENT = -1
const UNKNOWN_DIGITS = 2

/** Decimals by device and point. */
const held = new Map<string, number>()
/** Points known to have fractions; those of one name are alike on all devices. */
const fractional = new Set<string>()

function natural(size: number): number {
  if (size >= 1e9 || size < 1e-4) return EXPONENT
  if (size >= 100) return 1
  return size >= 1 ? 2 : 3
}

/** Decimals change only when a value is clearly of another size, not when it swings about a step. */
function settled(before: number | undefined, size: number): number | undefined {
  if (size === 0) return before
  if (before === undefined || before === EXPONENT) return natural(size)
  const fewer = natural(size / 2)
  if (size >= 1 && fewer < before) return fewer
  return Math.max(before, natural(size * 10))
}

/** How many decimals this point is written with: the same ones at every value and place. */
export function digitsOf(
  device: string,
  point: string,
  value: Value | null | undefined,
  type?: ValueType,
): number {
  if (type === 'int') return 0
  const key = `${device} ${point}`
  const before = held.get(key)
  if (typeof value !== 'number') return before ?? UNKNOWN_DIGITS
  if (type !== undefined || !Number.isInteger(value)) fractional.add(point)
  const digits = settled(before, Math.abs(value))
  if (digits !== undefined) held.set(key, digits)
  return fractional.has(point) ? (digits ?? UNKNOWN_DIGITS) : 0
}

/** A number with so many decimals; nothing is ever written as minus zero. */
export function fixed(value: number, digits: number): string {
  if (digits === EXPONENT || Math.abs(value) >= 1e15) return value.toExponential(3)
  const text = value.toFixed(digits)
  return Number(text) === 0 ? text.replace('-', '') : text
}

/** A number as somebody set it (limits, orders), without the noise of a 32 bit float. */
export function plain(value: number): string {
  if (Number.isInteger(value)) return fixed(value, 0)
  const size = Math.abs(value)
  if (size >= 1e9 || size < 1e-4) return value.toExponential(3)
  return String(Number(value.toPrecision(Math.fround(value) === value ? 7 : 12)))
}
