/** Shapes of /api/v1 as the node answers them. Times are RFC 3339 in UTC unless said. */

export type DeviceState = 'online' | 'degraded' | 'offline' | 'maintenance' | 'unknown'
export type Severity = 'critical' | 'major' | 'minor' | 'notice'
export type Value = boolean | number | string
export type Quality = 'good' | 'uncertain' | 'bad'
export type ValueType = 'float' | 'int' | 'bool' | 'str'

export const STATES: readonly DeviceState[] = [
  'online',
  'degraded',
  'offline',
  'maintenance',
  'unknown',
]
export const SEVERITIES: readonly Severity[] = ['critical', 'major', 'minor', 'notice']

export interface Session {
  required: boolean
  authenticated: boolean
  read_only?: boolean
}

export interface NodeInfo {
  name: string
  role: string
  title: string
  title_en: string
  version: string
  now: string
}

export interface KindCount {
  category: string
  kind: string
  total: number
  online: number
}

export interface AreaCount {
  code: string
  name: string
  name_en: string
  total: number
  online: number
}

export interface CascadeLink {
  node: string
  upper: string
  state: string
  since: string | null
  backlog: number | null
  oldest_unsent_s: number | null
  received: number | null
}

export interface Area {
  code: string
  name: string
  name_en?: string
}

export interface Summary {
  devices: { total: number; states: Record<DeviceState, number> }
  kinds: KindCount[]
  areas: AreaCount[]
  alarms: { open: number; unacknowledged: number; severities: Record<Severity, number> }
  cascade: CascadeLink[]
}

export interface Headline {
  point: string
  title: string
  value: Value | null
  unit: string
  quality: Quality
  time: string
}

export interface DeviceView {
  id: string
  name: string
  kind: string
  category: string
  home: string
  area: string | null
  lon: number | null
  lat: number | null
  key_point: boolean
  protocol: string | null
  state: DeviceState
  since: string | null
  cause: string
  last_seen: string | null
  alarm: Severity | null
  headline: Headline | null
}

export interface PointSpec {
  name: string
  type?: ValueType
  title?: string
  unit?: string
  range?: { low: number; high: number } | null
  cadence?: number | null
  writable?: boolean
}

export interface DeviceDetail {
  device: {
    id: string
    home: string
    name: string
    kind: string
    category?: string
    codes?: Record<string, string>
    link?: { protocol: string; endpoint: string } | null
    area?: string | null
    key_point?: boolean
    maker?: string
    model?: string
    capabilities?: string[]
    points?: PointSpec[]
  }
  status: {
    state: DeviceState
    since: string | null
    cause: string
    last_seen: string | null
  }
  area_path: { code: string; name: string; name_en: string }[]
  commandable: boolean
  path: string[]
}

export interface Limit {
  severity: Severity
  comparison: 'above' | 'below'
  limit: number
  title: string
}

export interface Latest {
  point: string
  title: string
  unit: string
  type: ValueType
  value: Value | null
  quality: Quality
  reason: string
  time: string
  received: string
  stale: boolean
  writable: boolean
  limits: Limit[]
}

/** Columns of equal length; `t` is epoch milliseconds, `q` 0 good, 1 uncertain, 2 bad. */
export interface History {
  point: string
  unit: string
  type: ValueType
  t: number[]
  v: (Value | null)[]
  q: number[]
  aggregated: boolean
  min: (Value | null)[] | null
  max: (Value | null)[] | null
}

export interface StateSpan {
  state: DeviceState
  since: string
  cause: string
}

export interface Alarm {
  id: string
  device: string
  device_name: string
  area: string | null
  area_name: string | null
  lon: number | null
  lat: number | null
  point: string
  type: string
  severity: Severity
  state: 'raised' | 'updated' | 'cleared'
  message: string
  value: Value | null
  unit: string
  limit: number | null
  count: number
  reopened: number
  raised: string
  updated: string
  cleared: string | null
  acknowledged: { by: string; time: string; comment: string } | null
}

export interface Histogram {
  start: string
  step_s: number
  items: Record<Severity, number>[]
}

export interface Command {
  id: string
  device: string
  action: string
  point: string
  value: Value | null
  state: string
  detail: string
  asked_by: string
  asked: string
  deadline: string
  updated: string
  result: Value | null
}

export interface CommandOrder {
  action: string
  point: string
  value: Value
  params: Record<string, Value>
  deadline_s: number
}

export type MapLayerName =
  | 'veil'
  | 'areas'
  | 'borders'
  | 'rivers'
  | 'lakes'
  | 'roads'
  | 'urban'
  | 'peaks'
  | 'labels'

export type Theme = 'dark' | 'light'
export type LngLatPair = [number, number]

export interface VectorMap {
  kind: 'vector'
  title: string
  title_en: string
  notice: string
  notice_en: string
  approval: string
  bounds: [number, number, number, number]
  center: LngLatPair
  layers: Partial<Record<MapLayerName, string>>
  relief?: Record<Theme, string> & {
    coordinates: [LngLatPair, LngLatPair, LngLatPair, LngLatPair]
  }
}

export type MapInfo = VectorMap | { kind: 'blank' }

export interface Changes {
  status: { device: string; state: DeviceState; since: string; cause: string }[]
  latest: { device: string; point: string; value: Value | null; quality: Quality; time: string }[]
  alarms: Alarm[]
  moved: { device: string; lon: number; lat: number; time: string }[]
  devices: string[]
  outcomes: Command[]
}

export interface Page<T> {
  items: T[]
  next: string | null
}
