import { ref } from 'vue'

export const RANGES: readonly { id: string; hours: number }[] = [
  { id: '1 h', hours: 1 },
  { id: '24 h', hours: 24 },
  { id: '7 d', hours: 168 },
]

/** Index into `RANGES` of what the chart shows. */
export const range = ref(0)

export function stepRange(by: number): void {
  range.value = Math.min(Math.max(0, range.value + by), RANGES.length - 1)
}
