import { computed, ref, shallowRef, watch, type ComputedRef, type Ref } from 'vue'

interface Steady<T> {
  rows: ComputedRef<T[]>
  fresh: ComputedRef<number>
  held: Ref<boolean>
  settle(): void
}

/**
 * A list whose rows do not jump while someone points at it: held rows keep their places and
 * change in place, new ones are counted, rows that left stay as they were last seen.
 */
export function useSteady<T extends { id: string }>(source: Ref<T[]>): Steady<T> {
  const held = ref(false)
  const frozen = shallowRef<T[]>([])
  watch(
    [source, held],
    () => {
      if (!held.value) frozen.value = source.value
    },
    { immediate: true },
  )
  const now = computed(() => new Map(source.value.map((row) => [row.id, row])))
  const rows = computed(() =>
    held.value ? frozen.value.map((row) => now.value.get(row.id) ?? row) : source.value,
  )
  const fresh = computed(() => {
    if (!held.value) return 0
    const known = new Set(frozen.value.map((row) => row.id))
    return source.value.filter((row) => !known.has(row.id)).length
  })
  return { rows, fresh, held, settle: () => (frozen.value = source.value) }
}
