import { computed } from 'vue'
import { heightRem, narrow, stacked, wall } from './settings'
import { kinds } from './kinds'
import { summary } from './world'

const ROW = 1.5625
/** The top bar, the totals, and heads and paddings of two lists and of the cascade, in rem. */
const FIXED = 2.75 + 15.5 + 2 * 2.9
const CASCADE_HEAD = 4
const LEAST = 4
const MOST_LINKS = 6

export const showsCascade = computed(() => !narrow.value || stacked.value)

/** How many kinds and areas the left column lists so that the cascade still stands below them. */
export const leftRows = computed(() => {
  const few = narrow.value || wall
  const most = { kinds: few ? 6 : 9, areas: few ? 7 : 11 }
  if (stacked.value) return most
  const links = Math.min(summary.value?.cascade.length ?? 0, MOST_LINKS)
  const below = showsCascade.value ? CASCADE_HEAD + links * ROW : 0
  const room = Math.floor((heightRem.value - FIXED - below) / ROW)
  const areas = Math.min(most.areas, summary.value?.areas.length ?? 0)
  const share = Math.max(LEAST, Math.floor(room * 0.45), room - areas)
  const own = Math.min(most.kinds, kinds.value.length, share)
  return { kinds: own, areas: Math.min(most.areas, Math.max(LEAST, room - own)) }
})
