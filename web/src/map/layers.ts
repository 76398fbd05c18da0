import type { FeatureCollection } from 'geojson'
import type { MapLayerName, VectorMap } from '../api/types'

export type MapData = Partial<Record<MapLayerName, FeatureCollection>>

/** Fetch the files that map.json names; one that fails is left out and reported. */
export async function loadLayers(
  map: VectorMap,
  failed: (name: string, error: unknown) => void,
): Promise<MapData> {
  const data: MapData = {}
  await Promise.all(
    (Object.entries(map.layers) as [MapLayerName, string][]).map(async ([name, file]) => {
      try {
        const response = await fetch(`/map/${encodeURIComponent(file)}`)
        if (!response.ok) throw new Error(`/map/${file}: HTTP ${response.status}`)
        data[name] = (await response.json()) as FeatureCollection
      } catch (error) {
        failed(name, error)
      }
    }),
  )
  return data
}

/** Every character that a label on the canvas may need, in both languages. */
export function labelText(data: MapData): string {
  const characters = new Set('0123456789.,万k m')
  for (const { properties } of data.labels?.features ?? []) {
    for (const key of ['name', 'name_en']) {
      const text: unknown = properties?.[key]
      if (typeof text === 'string') for (const one of text) characters.add(one)
    }
  }
  return [...characters].join('')
}

const FAMILY = '"Noto Sans SC Variable"'

/** Load the subsets that hold `text`: a subset that is missing draws empty boxes silently. */
export async function loadFont(text: string): Promise<void> {
  await Promise.all(
    [400, 500, 600].map((weight) => document.fonts.load(`${weight} 16px ${FAMILY}`, text)),
  )
}

/** Smallest box around an area of the map, west, south, east, north. */
export function areaBounds(
  data: MapData,
  code: string,
): [number, number, number, number] | undefined {
  const prefix = code.endsWith('0000') ? code.slice(0, 2) : code.replace(/00$/, '')
  let box: [number, number, number, number] | undefined
  const take = (node: unknown): void => {
    if (!Array.isArray(node)) return
    const [lon, lat] = node as unknown[]
    if (typeof lon === 'number' && typeof lat === 'number') {
      box = box
        ? [
            Math.min(box[0], lon),
            Math.min(box[1], lat),
            Math.max(box[2], lon),
            Math.max(box[3], lat),
          ]
        : [lon, lat, lon, lat]
      return
    }
    node.forEach(take)
  }
  for (const { properties, geometry } of data.areas?.features ?? []) {
    const own: unknown = properties?.['code']
    if (typeof own === 'string' && own.startsWith(prefix) && 'coordinates' in geometry)
      take(geometry.coordinates)
  }
  return box
}
