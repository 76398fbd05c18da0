import { computed } from 'vue'
import { iconOf } from '../map/shapes'
import { summary } from './world'

/** Counts by icon, the most numerous first: kinds that look the same are one row. */
export const kinds = computed(() => {
  const rows = new Map<string, { icon: string; total: number; online: number }>()
  for (const { kind, category, total, online } of summary.value?.kinds ?? []) {
    const icon = iconOf(kind, category)
    const row = rows.get(icon) ?? { icon, total: 0, online: 0 }
    row.total += total
    row.online += online
    rows.set(icon, row)
  }
  return [...rows.values()].filter((row) => row.total > 0).sort((a, b) => b.total - a.total)
})
