import { named } from '../text'
import { areas } from './world'

/** The name of an area in the chosen language, with the city it lies in. */
export function areaName(code: string | null, fallback = ''): string {
  const own = areas.value.get(code ?? '')
  if (!code || !own) return fallback
  const parts = [named(own.name, own.name_en)]
  const city = areas.value.get(`${code.slice(0, 4)}00`)
  if (city && city !== own && !code.endsWith('0000')) parts.unshift(named(city.name, city.name_en))
  return parts.join(' ')
}
