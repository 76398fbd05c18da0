import { computed, ref, watch } from 'vue'
import type { Theme } from '../api/types'

export type Lang = 'zh' | 'en'

const query = new URLSearchParams(location.search)

function choice<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
  const asked = query.get(name) ?? localStorage.getItem(`ganzhi.${name}`)
  return allowed.find((value) => value === asked) ?? fallback
}

export const lang = ref<Lang>(choice('lang', ['zh', 'en'], 'zh'))
export const theme = ref<Theme>(choice('theme', ['dark', 'light'], 'dark'))
export const wall = query.get('mode') === 'wall'

const width = ref(innerWidth)
addEventListener('resize', () => (width.value = innerWidth))

/** Below this the columns are narrower and lists are shorter. */
export const narrow = computed(() => !wall && width.value < 1500)

/** Root font size in px: one number scales the whole screen. */
export const rootPx = computed(() => {
  if (wall) return (width.value * 18.5) / 1920
  return width.value > 2200 ? (width.value * 16) / 2200 : 16
})

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
  [lang, theme, rootPx],
  () => {
    const root = document.documentElement
    root.lang = lang.value === 'zh' ? 'zh-CN' : 'en'
    root.dataset['theme'] = theme.value
    root.style.setProperty('--root', `${rootPx.value}px`)
    root.classList.toggle('narrow', narrow.value)
    root.classList.toggle('wall', wall)
  },
  { immediate: true, flush: 'sync' },
)
