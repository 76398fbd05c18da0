import { computed, ref, watch } from 'vue'
import type { Theme } from '../api/types'

export type Lang = 'zh' | 'en'

const query = new URLSearchParams(location.search)

function choice<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
  const known = (asked: string | null): T | undefined => allowed.find((value) => value === asked)
  return known(query.get(name)) ?? known(localStorage.getItem(`ganzhi.${name}`)) ?? fallback
}

/** The first of the browser's languages that the screen speaks; else English. */
function spoken(): Lang {
  const first = navigator.languages.find((tag) => /^(zh|en)\b/i.test(tag)) ?? 'en'
  return /^zh/i.test(first) ? 'zh' : 'en'
}

export const lang = ref<Lang>(choice('lang', ['zh', 'en'], spoken()))
export const theme = ref<Theme>(choice('theme', ['dark', 'light'], 'dark'))
export const wall = query.get('mode') === 'wall'

const width = ref(innerWidth)
const height = ref(innerHeight)
addEventListener('resize', () => {
  width.value = innerWidth
  height.value = innerHeight
})

/** Below this the columns are narrower and lists are shorter. */
export const narrow = computed(() => !wall && width.value < 1500)
/** Below this there are no columns: the map stands on top of the lists. */
export const stacked = computed(() => !wall && width.value < 900)

/** Root font size in px: one number scales the whole screen. */
export const rootPx = computed(() => {
  if (wall) return (width.value * 18.5) / 1920
  return width.value > 2200 ? (width.value * 16) / 2200 : 16
})

/** Height of the window in rem. */
export const heightRem = computed(() => height.value / rootPx.value)

/** Factor for what is drawn on the map, where sizes are px at a 16 px root. */
export const scale = computed(() => rootPx.value / 16)

export function toggleLang(): void {
  lang.value = lang.value === 'zh' ? 'en' : 'zh'
  localStorage.setItem('ganzhi.lang', lang.value)
}

export function toggleTheme(): void {
  theme.value = theme.value === 'dark' ? 'light' : 'dark'
  localStorage.setItem('ganzhi.theme', theme.value)
}

watch(
  [lang, theme, rootPx, narrow, stacked],
  () => {
    const root = document.documentElement
    root.lang = lang.value === 'zh' ? 'zh-CN' : 'en'
    root.dataset['theme'] = theme.value
    root.style.setProperty('--root', `${rootPx.value}px`)
    root.classList.toggle('narrow', narrow.value)
    root.classList.toggle('stacked', stacked.value)
    root.classList.toggle('wall', wall)
  },
  { immediate: true, flush: 'sync' },
)
