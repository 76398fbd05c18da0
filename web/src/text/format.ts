import type { Value } from '../api/types'
import { lang } from '../state/settings'
import { t } from './index'
import { fixed, plain } from './number'

const ZONE_MS = 8 * 3600_000
const WEEK_ZH = ['周日', '周一', '周二', '周三', '周四', '周五', '周六'] as const
const WEEK_EN = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
const THIN = '\u2009'

const pad = (n: number): string => String(n).padStart(2, '0')

/** Fields of a moment on the screen's clock, UTC+8 wherever the display stands. */
function fields(epoch: number): Date {
  return new Date(epoch + ZONE_MS)
}

export function clock(epoch: number): string {
  const d = fields(epoch)
  return `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`
}

export function hourMinute(epoch: number): string {
  return clock(epoch).slice(0, 5)
}

export function day(epoch: number): string {
  const d = fields(epoch)
  return lang.value === 'zh'
    ? `${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`
    : `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()] ?? ''}`
}

export function date(epoch: number): string {
  const d = fields(epoch)
  return lang.value === 'zh'
    ? `${d.getUTCFullYear()}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`
    : `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()] ?? ''} ${d.getUTCFullYear()}`
}

export function weekday(epoch: number): string {
  const names = lang.value === 'zh' ? WEEK_ZH : WEEK_EN
  return names[fields(epoch).getUTCDay()] ?? ''
}

/** Clock time, with the day when it is not the day of `now`. */
export function moment(epoch: number, now: number): string {
  return day(epoch) === day(now) && now - epoch < 86_400_000
    ? clock(epoch)
    : `${day(epoch)} ${hourMinute(epoch)}`
}

/** `42 s`, `3 min 57 s`, `2 h 06 min`, `3 d 4 h`. */
export function span(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${pad(s % 60)} s`
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${pad(Math.floor((s % 3600) / 60))} min`
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`
}

/** A length without the seconds that do not matter: `42 s`, `12 min`, `2 h 06 min`. */
export function roughSpan(seconds: number): string {
  return span(seconds).replace(/ min \d\d s$/, ' min')
}

/** Running text: `42 s 前`, `3 分 57 秒前`; `42 s ago`. */
export function ago(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds))
  if (lang.value === 'en') return `${span(s)} ago`
  if (s < 60) return `${s} s 前`
  if (s < 3600) return `${Math.floor(s / 60)} 分 ${s % 60} 秒前`
  if (s < 86_400) return `${Math.floor(s / 3600)} 小时 ${Math.floor((s % 3600) / 60)} 分前`
  return `${Math.floor(s / 86_400)} 天前`
}

/** Duration of an open alarm: m:ss, then h:mm:ss, then days. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds))
  const tail = `${pad(Math.floor((s % 3600) / 60))}:${pad(s % 60)}`
  if (s < 3600) return tail.replace(/^0/, '')
  if (s < 86_400) return `${Math.floor(s / 3600)}:${tail}`
  const days = Math.floor(s / 86_400)
  return `${days} d ${Math.floor((s % 86_400) / 3600)}:${tail}`
}

export const count = (n: number): string => n.toLocaleString('en-US')

/** Two decimals, truncated: 94.999 never shows as 95.00, and 100.00 only when it is all. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return '—'
  if (part >= whole) return '100.00%'
  return `${(Math.min(9999, Math.floor((part * 10_000) / whole)) / 100).toFixed(2)}%`
}

const UNITS: Record<string, string> = {
  Cel: '°C',
  deg: '°',
  'm3/s': 'm³/s',
  'm3/h': 'm³/h',
  m3: 'm³',
  'kW.h': 'kWh',
  'L/s': 'L/s',
  '%[LEL]': '%LEL',
  '[ppm]': 'ppm',
  '[pH]': 'pH',
  'ug/m3': 'µg/m³',
  'deg/h': '°/h',
}

/** A UCUM unit as people write it. */
export function unitText(unit: string): string {
  return UNITS[unit] ?? unit.replace(/[[\]{}]/g, '')
}

/** `digits` decimals (see `digitsOf`); without them as somebody set it. */
export function valueText(value: Value | null | undefined, digits?: number): string {
  if (value === null || value === undefined) return t('noValue')
  if (typeof value === 'boolean') return value ? t('switchOn') : t('switchOff')
  if (typeof value !== 'number') return value
  return digits === undefined ? plain(value) : fixed(value, digits)
}

export function valueUnit(
  value: Value | null | undefined,
  unit: string,
  digits?: number,
): string {
  const text = valueText(value, digits)
  const shown = unitText(unit)
  if (!shown || typeof value !== 'number') return text
  return shown.startsWith('°') && shown.length === 1 ? text + shown : `${text}${THIN}${shown}`
}
