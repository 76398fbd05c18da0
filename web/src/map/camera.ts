import type { FeatureCollection, Point } from 'geojson'

type Box = [west: number, south: number, east: number, north: number]

/** So many others are in the frame when a device is brought close. */
const NEIGHBOURS = 9

function places(points: FeatureCollection): [number, number][] {
  return points.features.map(({ geometry }) => {
    const [lon = 0, lat = 0] = (geometry as Point).coordinates
    return [lon, lat]
  })
}

/** The box around all points, if there are any. */
export function span(points: FeatureCollection): Box | undefined {
  const all = places(points)
  if (!all.length) return undefined
  return all.reduce<Box>(
    ([w, s, e, n], [lon, lat]) => [
      Math.min(w, lon),
      Math.min(s, lat),
      Math.max(e, lon),
      Math.max(n, lat),
    ],
    [180, 90, -180, -90],
  )
}

/** The zoom at which a place is seen together with some of the points around it. */
export function neighbourZoom(
  at: readonly [number, number],
  points: FeatureCollection,
  frame: { clientWidth: number; clientHeight: number },
): number {
  const shrink = Math.cos((at[1] * Math.PI) / 180)
  const distances = places(points)
    .map(([lon, lat]) => Math.hypot((lon - at[0]) * shrink, lat - at[1]))
    .sort((a, b) => a - b)
  const reach = distances[Math.min(NEIGHBOURS, distances.length - 1)] ?? 0
  if (reach === 0) return 13
  const half = (Math.min(frame.clientWidth, frame.clientHeight) / 2) * 0.9
  const zoom = Math.log2((half * 360 * shrink) / (512 * reach))
  return Math.min(Math.max(zoom, 7), 14)
}
