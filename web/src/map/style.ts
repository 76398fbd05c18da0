import type { FeatureCollection } from 'geojson'
import type {
  ExpressionSpecification,
  LayerSpecification,
  SourceSpecification,
  StyleSpecification,
} from 'maplibre-gl'
import type { LngLatPair } from '../api/types'
import type { Lang } from '../state/settings'
import { CLUSTER_STEPS } from './images'
import type { MapData } from './layers'
import { borders, ground, labels, MEDIUM, type Look } from './land'
import { PALETTES, type MapPalette } from './palette'

export const EMPTY: FeatureCollection = { type: 'FeatureCollection', features: [] }

/** Raw tiles from this zoom on; below it devices are gathered into clusters. */
export const CLUSTER_MAX_ZOOM = 13

const has = (state: string): ExpressionSpecification => [
  '+',
  ['case', ['==', ['get', 'state'], state], 1, 0],
]

function deviceSource(data: FeatureCollection, scale: number): SourceSpecification {
  return {
    type: 'geojson',
    data,
    cluster: true,
    clusterRadius: Math.round(32 * scale),
    clusterMaxZoom: CLUSTER_MAX_ZOOM,
    clusterProperties: {
      degraded: has('degraded'),
      offline: has('offline'),
      maintenance: has('maintenance'),
      unknown: has('unknown'),
    },
  }
}

/** Share of 24 parts, snapped to 0, 1, 2, 3, 6, 12 or 24, never 0 when there is one. */
function share(count: ExpressionSpecification): ExpressionSpecification {
  const parts: ExpressionSpecification = ['/', ['*', 24, count], ['get', 'point_count']]
  return [
    'case',
    ['==', count, 0],
    '0',
    ['step', parts, '1', 1.5, '2', 2.5, '3', 4.5, '6', 9, '12', 18, '24'],
  ]
}

const steps = (outputs: readonly (number | string)[]): ExpressionSpecification =>
  [
    'step',
    ['get', 'point_count'],
    outputs[0],
    ...CLUSTER_STEPS.flatMap((limit, index) => [limit + 1, outputs[index + 1]]),
  ] as ExpressionSpecification

function clusterCount(lang: Lang): ExpressionSpecification {
  const n: ExpressionSpecification = ['get', 'point_count']
  const short = (by: number, unit: string): ExpressionSpecification => [
    'concat',
    ['number-format', ['/', n, by], { locale: 'en-US', 'max-fraction-digits': 1 }],
    unit,
  ]
  const whole: ExpressionSpecification = ['number-format', n, { locale: 'en-US' }]
  return lang === 'zh'
    ? ['case', ['<', n, 10_000], whole, short(10_000, '万')]
    : ['case', ['<', n, 1000], whole, short(1000, 'k')]
}

function deviceLayers(p: MapPalette, { lang, scale }: Look): LayerSpecification[] {
  const always = { 'icon-allow-overlap': true } as const
  const rest: ExpressionSpecification = ['+', ['get', 'maintenance'], ['get', 'unknown']]
  return [
    {
      id: 'tiles',
      type: 'symbol',
      source: 'devices',
      filter: ['!', ['has', 'point_count']],
      layout: {
        'icon-image': ['concat', 'd|', ['get', 'icon'], '|', ['get', 'state']],
        'icon-padding': -8,
        ...always,
      },
    },
    {
      id: 'clusters',
      type: 'symbol',
      source: 'devices',
      filter: ['has', 'point_count'],
      layout: {
        'icon-image': [
          'concat',
          'c|',
          steps(['0', '1', '2', '3', '4', '5']),
          '|',
          share(['get', 'degraded']),
          '|',
          share(['get', 'offline']),
          '|',
          share(rest),
        ],
        'text-field': clusterCount(lang),
        'text-font': MEDIUM,
        'text-size': steps([11, 11, 11.5, 12, 13, 13].map((size) => size * scale)),
        'text-allow-overlap': true,
        ...always,
      },
      paint: { 'text-color': p.label },
    },
    {
      id: 'selected',
      type: 'symbol',
      source: 'selected',
      layout: {
        'icon-image': ['concat', 's|', ['get', 'icon'], '|', ['get', 'state']],
        ...always,
      },
    },
    {
      id: 'alarms',
      type: 'symbol',
      source: 'alarms',
      layout: {
        'icon-image': ['concat', 'a|', ['get', 'severity']],
        'icon-offset': ['array', 'number', 2, ['get', 'offset']],
        'symbol-sort-key': ['get', 'order'],
        ...always,
      },
    },
  ]
}

const MAP_SOURCES = [
  'urban',
  'rivers',
  'lakes',
  'roads',
  'veil',
  'borders',
  'peaks',
  'labels',
] as const

/** A picture of the land and its corners, clockwise from the north-west. */
export interface Relief {
  url: string
  coordinates: [LngLatPair, LngLatPair, LngLatPair, LngLatPair]
}

const RELIEF_LAYER: LayerSpecification = {
  id: 'relief',
  type: 'raster',
  source: 'relief',
  paint: { 'raster-fade-duration': 0 },
}

/** The whole style; live data sits in the sources `devices`, `selected` and `alarms`. */
export function buildStyle(
  data: MapData,
  live: Record<'devices' | 'selected' | 'alarms', FeatureCollection>,
  look: Look,
  relief: Relief | undefined,
): StyleSpecification {
  const palette = PALETTES[look.theme]
  const sources: Record<string, SourceSpecification> = {
    devices: deviceSource(live.devices, look.scale),
    selected: { type: 'geojson', data: live.selected },
    alarms: { type: 'geojson', data: live.alarms },
  }
  for (const name of MAP_SOURCES)
    sources[name] = { type: 'geojson', data: data[name] ?? EMPTY, tolerance: 0.3 }
  if (relief) sources['relief'] = { type: 'image', ...relief }
  const [background, ...land] = ground(palette)
  return {
    version: 8,
    sources,
    layers: [
      ...(background ? [background] : []),
      ...(relief ? [RELIEF_LAYER] : []),
      ...land,
      ...borders(palette),
      ...labels(palette, look),
      ...deviceLayers(palette, look),
    ],
  }
}
