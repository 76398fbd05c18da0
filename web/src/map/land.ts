import type { ExpressionSpecification, LayerSpecification } from 'maplibre-gl'
import type { Theme } from '../api/types'
import type { Lang } from '../state/settings'
import type { MapPalette } from './palette'

/** The first name only tells the weight; the second is the face. */
export const MEDIUM = ['Noto Sans SC Variable Medium', 'Noto Sans SC Variable']
const SEMIBOLD = ['Noto Sans SC Variable SemiBold', 'Noto Sans SC Variable']
const REGULAR = ['Noto Sans SC Variable']

export interface Look {
  theme: Theme
  lang: Lang
  scale: number
}

/** Everything below the borders, the background first. */
export function ground(p: MapPalette): LayerSpecification[] {
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

export function borders(p: MapPalette): LayerSpecification[] {
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

export function labels(p: MapPalette, { lang, scale }: Look): LayerSpecification[] {
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
