import type { Feature, FeatureCollection } from 'geojson'
import { SEVERITIES, type Alarm, type DeviceView } from '../api/types'
import { CLUSTER_RADII, CLUSTER_STEPS } from './images'
import { iconOf } from './shapes'
import { EMPTY } from './style'

export function deviceFeature(device: DeviceView): Feature | undefined {
  if (device.lon === null || device.lat === null) return undefined
  return {
    type: 'Feature',
    geometry: { type: 'Point', coordinates: [device.lon, device.lat] },
    properties: {
      id: device.id,
      icon: iconOf(device.kind, device.category),
      state: device.state,
    },
  }
}

export function collection(features: (Feature | undefined)[]): FeatureCollection {
  const present = features.filter((feature): feature is Feature => feature !== undefined)
  return present.length ? { type: 'FeatureCollection', features: present } : EMPTY
}

/** Critical and major alarms that have a place, the worst one of each device, worst first. */
export function mappedAlarms(sorted: readonly Alarm[]): Alarm[] {
  const seen = new Set<string>()
  return sorted
    .filter((alarm) => {
      const loud = alarm.severity === 'critical' || alarm.severity === 'major'
      if (!loud || alarm.lon === null || alarm.lat === null || seen.has(alarm.device)) return false
      seen.add(alarm.device)
      return true
    })
    .slice(0, 200)
}

export function alarmFeature(alarm: Alarm, offset: readonly [number, number]): Feature {
  return {
    type: 'Feature',
    geometry: { type: 'Point', coordinates: [alarm.lon ?? 0, alarm.lat ?? 0] },
    properties: {
      id: alarm.id,
      device: alarm.device,
      severity: alarm.severity,
      offset,
      order: -SEVERITIES.indexOf(alarm.severity),
    },
  }
}

/** What a marker must not cover, in px of the map's frame. */
export interface Disc {
  x: number
  y: number
  r: number
  /** Set for a single device. */
  device?: string
}

export function clusterRadius(count: number): number {
  const index = CLUSTER_STEPS.filter((limit) => count > limit).length
  return CLUSTER_RADII[index] ?? 14
}

/**
 * How far a marker at `at` moves so that it stands on the edge of the disc that holds it.
 * On its own device's tile it goes to the upper left corner, where no state glyph is drawn.
 */
export function pushOut(
  at: { x: number; y: number },
  device: string,
  discs: readonly Disc[],
  scale: number,
): [number, number] {
  const own = discs.find((disc) => disc.device === device)
  if (own) return [-15 * scale, -13 * scale]
  let nearest: Disc | undefined
  let least = Infinity
  for (const disc of discs) {
    const distance = Math.hypot(at.x - disc.x, at.y - disc.y)
    if (distance < disc.r + 10 * scale && distance < least) {
      nearest = disc
      least = distance
    }
  }
  if (!nearest) return [0, 0]
  const angle = least < 1 ? -Math.PI / 4 : Math.atan2(at.y - nearest.y, at.x - nearest.x)
  const reach = nearest.r + 9 * scale
  return [
    Math.round(nearest.x + Math.cos(angle) * reach - at.x),
    Math.round(nearest.y + Math.sin(angle) * reach - at.y),
  ]
}

export interface Box {
  x: number
  y: number
  w: number
  h: number
}

/** Where a callout of the given size covers least, as its upper left corner. */
export function calloutPlace(
  at: { x: number; y: number },
  size: { w: number; h: number },
  frame: Box,
  discs: readonly Disc[],
  gap: number,
): { x: number; y: number } {
  const sides = [
    { x: at.x + gap, y: at.y + gap * 0.5 },
    { x: at.x + gap, y: at.y - gap * 0.5 - size.h },
    { x: at.x - gap - size.w, y: at.y - gap * 0.5 - size.h },
    { x: at.x - gap - size.w, y: at.y + gap * 0.5 },
  ]
  const cost = (side: { x: number; y: number }): number => {
    const outside =
      Math.max(0, frame.x - side.x) +
      Math.max(0, frame.y - side.y) +
      Math.max(0, side.x + size.w - frame.x - frame.w) +
      Math.max(0, side.y + size.h - frame.y - frame.h)
    const covered = discs.filter((disc) => {
      const dx = Math.max(side.x - disc.x, 0, disc.x - side.x - size.w)
      const dy = Math.max(side.y - disc.y, 0, disc.y - side.y - size.h)
      return Math.hypot(dx, dy) < disc.r
    }).length
    return outside * 10 + covered
  }
  return sides.reduce((best, side) => (cost(side) < cost(best) ? side : best))
}
