import type { FeatureCollection } from 'geojson'
import type {
  ExpressionSpecification,
  LayerSpecification,
  SourceSpecification,
  StyleSpecification,
} from 'maplibre-gl'
import type { LngLatPair, Theme } from '../api/types'
import type { Lang } from '../state/settings'
import { CLUSTER_STEPS } from './images'
import type { MapData } from './layers'
import { PALETTES, type MapPalette } from './palette'

const MEDIUM = ['Noto Sans SC Variable Medium', 'Noto Sans SC Variable']
const SEMIBOLD = ['Noto Sans SC Variable SemiBold', 'Noto Sans SC Variable']
const REGULAR = ['Noto Sans SC Variable']

export const EMPTY: FeatureCollection = { type: 'FeatureCollection', features: [] }

export interface Look {
  theme: Theme
  lang: Lang
  scale: number
}

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

function ground(p: MapPalette): LayerSpecification[] {
  const line = { 'line-cap': 'round', 'line-join': 'round' } as const
  const expressway: ExpressionSpecification = ['==', ['get', 'class'], 1]
  return [
    { id: 'ground', type: 'background', paint: { 'background-color': p.ground } },
    { id: 'urban', type: 'fill', source: 'urban', paint: { 'fill-color': p.urban } },
    {
      id: 'rivers',
      type: 'line',
      source: 'rivers',
      layout: line,
      paint: {
        'line-color': p.river,
        'line-width': [
          'min',
          3.4,
          ['+', 0.35, ['*', 0.62, ['sqrt', ['/', ['to-number', ['get', 'flow'], 0], 1000]]]],
        ],
      },
    },
    { id: 'lakes', type: 'fill', source: 'lakes', paint: { 'fill-color': p.lake } },
    {
      id: 'roads',
      type: 'line',
      source: 'roads',
      layout: line,
      filter: ['!', expressway],
      paint: { 'line-color': p.road, 'line-width': 0.8 },
    },
    {
      id: 'express-casing',
      type: 'line',
      source: 'roads',
      layout: line,
      filter: expressway,
      paint: { 'line-color': p.casing, 'line-width': 3, 'line-opacity': 0.7 },
    },
    {
      id: 'express',
      type: 'line',
      source: 'roads',
      layout: line,
      filter: expressway,
      paint: { 'line-color': p.express, 'line-width': 1.35 },
    },
    { id: 'veil', type: 'fill', source: 'veil', paint: { 'fill-color': p.veil } },
  ]
}

function borders(p: MapPalette): LayerSpecification[] {
  const level = (n: number): ExpressionSpecification => ['==', ['get', 'level'], n]
  const layout = { 'line-join': 'round' } as const
  const band = (id: string, n: number, colour: string, width: number): LayerSpecification => ({
    id,
    type: 'line',
    source: 'borders',
    filter: level(n),
    layout,
    paint: { 'line-color': colour, 'line-width': width, 'line-blur': width * 0.4 },
  })
  return [
    {
      id: 'county',
      type: 'line',
      source: 'borders',
      filter: level(2),
      layout,
      paint: { 'line-color': p.county, 'line-width': 0.8, 'line-dasharray': [1.9, 3.1] },
    },
    band('city-band', 1, p.cityBand, 5),
    band('province-band', 0, p.provinceBand, 9),
    {
      id: 'city',
      type: 'line',
      source: 'borders',
      filter: level(1),
      layout,
      paint: { 'line-color': p.city, 'line-width': 1.25, 'line-dasharray': [5.6, 2, 1.2, 2] },
    },
    {
      id: 'province',
      type: 'line',
      source: 'borders',
      filter: level(0),
      layout,
      paint: { 'line-color': p.province, 'line-width': 1.5 },
    },
  ]
}

function labels(p: MapPalette, { lang, scale }: Look): LayerSpecification[] {
  const name: ExpressionSpecification =
    lang === 'zh' ? ['get', 'name'] : ['coalesce', ['get', 'name_en'], ['get', 'name']]
  const halo = { 'text-halo-color': p.halo, 'text-halo-width': 1.4 * scale }
  const place = (
    kind: string,
    size: number,
    font: string[],
    colour: string,
    minzoom: number,
  ): LayerSpecification => ({
    id: `label-${kind}`,
    type: 'symbol',
    source: 'labels',
    minzoom,
    filter: ['==', ['get', 'kind'], kind],
    layout: {
      visibility: kind === 'county' ? 'none' : 'visible',
      'text-field': name,
      'text-font': font,
      'text-size': size * scale,
      'text-max-width': 20,
      'text-variable-anchor-offset': [
        'top',
        [0, 1.25],
        'bottom',
        [0, -1.25],
        'left',
        [1.35, 0],
        'right',
        [-1.35, 0],
        'top-left',
        [0.9, 0.9],
        'top-right',
        [-0.9, 0.9],
        'bottom-left',
        [0.9, -0.9],
        'bottom-right',
        [-0.9, -0.9],
        'center',
        [0, 0],
      ],
      'text-padding': 1,
    },
    paint: { 'text-color': colour, ...halo },
  })
  return [
    {
      id: 'peaks',
      type: 'symbol',
      source: 'peaks',
      layout: {
        'icon-image': 'peak',
        'text-field': ['concat', ['to-string', ['get', 'm']], lang === 'en' ? ' m' : ''],
        'text-font': REGULAR,
        'text-size': 10.5 * scale,
        'text-anchor': 'top',
        'text-offset': [0, 0.35],
      },
      paint: { 'text-color': p.peak, ...halo },
    },
    place('county', 12, REGULAR, p.label2, 9),
    place('city', 14, MEDIUM, p.label, 0),
    place('capital', 16, SEMIBOLD, p.label, 0),
  ]
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
