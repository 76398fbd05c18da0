import type { Theme } from '../api/types'

/** Colours of what is drawn on the map; the tokens of the page are in styles/tokens.css. */
export interface MapPalette {
  ground: string
  urban: string
  river: string
  lake: string
  road: string
  express: string
  casing: string
  veil: string
  county: string
  city: string
  cityBand: string
  province: string
  provinceBand: string
  label: string
  label2: string
  peak: string
  halo: string
}

export const PALETTES: Record<Theme, MapPalette> = {
  dark: {
    ground: '#0e1417',
    urban: 'rgba(150,164,160,0.13)',
    river: '#34586a',
    lake: '#1b3441',
    road: '#474c4b',
    express: '#6c6a58',
    casing: '#12191c',
    veil: 'rgba(10,14,17,0.62)',
    county: 'rgba(160,176,176,0.28)',
    city: 'rgba(186,200,198,0.72)',
    cityBand: 'rgba(186,200,198,0.09)',
    province: '#a9b7b4',
    provinceBand: 'rgba(169,183,180,0.2)',
    label: '#e9eeee',
    label2: '#aeb9bc',
    peak: '#9aa48f',
    halo: '#0c1215',
  },
  light: {
    ground: '#ece9e2',
    urban: 'rgba(120,104,88,0.13)',
    river: '#8fb3c4',
    lake: '#c5d9e1',
    road: '#bdb6a8',
    express: '#c9a66b',
    casing: '#fbfaf6',
    veil: 'rgba(244,242,236,0.66)',
    county: 'rgba(96,92,84,0.28)',
    city: 'rgba(84,82,76,0.6)',
    cityBand: 'rgba(84,82,76,0.08)',
    province: '#5b5a55',
    provinceBand: 'rgba(91,90,85,0.16)',
    label: '#1b2226',
    label2: '#4a5459',
    peak: '#5e6450',
    halo: '#fbfaf6',
  },
}
