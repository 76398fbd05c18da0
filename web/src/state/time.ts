import { ref } from 'vue'

let baseEpoch = Date.now()
let baseMono = performance.now()

/** The node's clock in epoch ms, carried on by the monotonic clock of the display. */
export function nodeNow(): number {
  return baseEpoch + (performance.now() - baseMono)
}

export function setNodeNow(text: string): void {
  const epoch = Date.parse(text)
  if (Number.isNaN(epoch)) return
  baseEpoch = epoch
  baseMono = performance.now()
  now.value = epoch
}

/** `nodeNow()` once a second, for ages and durations. */
export const now = ref(baseEpoch)
setInterval(() => (now.value = nodeNow()), 1000)
