import { lang } from '../state/settings'
import { en } from './en'
import { zh, type Key } from './zh'

/** The text for `key` in the chosen language, `{x}` replaced from `values`. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = (lang.value === 'zh' ? zh : en)[key]
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''))
}

/** Whether `key` is a text of its own (used for names of parts). */
export const isKey = (key: string): key is Key => key in zh

/** One of a pair (Chinese, English); `fallback` when there is none. */
export function word(pair: readonly [string, string] | undefined, fallback = ''): string {
  if (!pair) return fallback
  return lang.value === 'zh' ? pair[0] : pair[1]
}

/** A name that may lack its English form. */
export function named(name: string, nameEn: string | undefined): string {
  return lang.value === 'en' && nameEn ? nameEn : name
}
