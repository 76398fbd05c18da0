import type { FeatureCollection } from 'geojson'
import type { MapLayerName, VectorMap } from '../api/types'

export type MapData = Partial<Record<MapLayerName, FeatureCollection>>

export async function loadLayer(file: string): Promise<FeatureCollection> {
  const response = await fetch(`/map/${encodeURIComponent(file)}`)
  if (!response.ok) throw new Error(`/map/${file}: HTTP ${response.status}`)
  return (await response.json()) as FeatureCollection
}

/** Fetch the files that the style draws (areas are fetched when one is asked for); one that fails is left out and reported. */
export async function loadLayers(
  map: VectorMap,
  failed: (name: string, error: unknown) => void,
): Promise<MapData> {
  const data: MapData = {}
  await Promise.all(
    (Object.entries(map.layers) as [MapLayerName, string][]).map(async ([name, file]) => {
      if (name === 'areas') return
      try {
        data[name] = await loadLayer(file)
      } catch (error) {
        failed(name, error)
      }
    }),
  )
  return data
}

/** Every character of the labels of these kinds, in both languages, and of all figures. */
export function labelText(data: MapData, kinds: readonly string[]): string {
  const characters = new Set('0123456789.,万k m')
  for (const { properties } of data.labels?.features ?? []) {
    if (!kinds.includes(String(properties?.['kind']))) continue
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
  areas: FeatureCollection,
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
  for (const { properties, geometry } of areas.features) {
    const own: unknown = properties?.['code']
    if (typeof own === 'string' && own.startsWith(prefix) && 'coordinates' in geometry)
      take(geometry.coordinates)
  }
  return box
}
