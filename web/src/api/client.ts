import type {
  Alarm,
  Area,
  Command,
  CommandOrder,
  DeviceDetail,
  DeviceView,
  Histogram,
  History,
  Latest,
  MapInfo,
  NodeInfo,
  Page,
  Session,
  StateSpan,
  Summary,
} from './types'

const ROOT = '/api/v1'

/** A request that failed; `requestId` lets an operator find it in the node's log. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string,
  ) {
    super(message)
  }
}

interface ErrorBody {
  error?: { code?: string; message?: string; request_id?: string }
}

async function failure(response: Response): Promise<ApiError> {
  let body: ErrorBody = {}
  try {
    body = (await response.json()) as ErrorBody
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return new ApiError(
    response.status,
    body.error?.code ?? 'http',
    body.error?.message ?? `HTTP ${response.status}`,
    body.error?.request_id ?? '',
  )
}

async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response
  try {
    response = await fetch(ROOT + path, {
      credentials: 'same-origin',
      signal: AbortSignal.timeout(20_000),
      ...init,
    })
  } catch (error) {
    throw new ApiError(0, 'unreachable', error instanceof Error ? error.message : String(error), '')
  }
  if (!response.ok) throw await failure(response)
  if (response.status === 204) return undefined as T
  return (await response.json()) as T
}

function send<T>(path: string, body: object): Promise<T> {
  return request<T>(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

type Query = Record<string, string | number | undefined>

function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') search.set(key, String(value))
  }
  const text = search.toString()
  return text ? `${path}?${text}` : path
}

const device = (id: string): string => `/devices/${encodeURIComponent(id)}`

/** Follow `next` until the end, or until `most` rows are held. */
async function everyPage<T>(path: string, query: Query, most: number): Promise<T[]> {
  const rows: T[] = []
  let after: string | undefined
  do {
    const page: Page<T> = await request<Page<T>>(withQuery(path, { ...query, after }))
    rows.push(...page.items)
    after = page.next ?? undefined
  } while (after !== undefined && rows.length < most)
  return rows
}

export const api = {
  session: () => request<Session>('/session'),
  login: (token: string) => send<void>('/session', { token }),
  node: () => request<NodeInfo>('/node'),
  areas: () => request<{ items: Area[] }>('/areas'),
  summary: () => request<Summary>('/summary'),
  map: () => request<MapInfo>('/map'),
  devices: () => everyPage<DeviceView>('/devices', { limit: 10_000 }, 50_000),
  search: (q: string, limit: number) =>
    request<Page<DeviceView>>(withQuery('/devices', { q, limit })),
  device: (id: string) => request<DeviceDetail>(device(id)),
  latest: (id: string) => request<{ items: Latest[] }>(`${device(id)}/latest`),
  history: (id: string, point: string, from: string, limit: number, to?: string) =>
    request<History>(withQuery(`${device(id)}/history`, { point, from, to, limit })),
  states: (id: string, from: string) =>
    request<{ items: StateSpan[] }>(withQuery(`${device(id)}/states`, { from })),
  commands: (id: string) => request<{ items: Command[] }>(`${device(id)}/commands`),
  command: (id: string, order: CommandOrder) => send<Command>(`${device(id)}/commands`, order),
  openAlarms: () => everyPage<Alarm>('/alarms', { open: 'true', limit: 1000 }, 5_000),
  acknowledge: (id: string, comment: string) =>
    send<Alarm>(`/alarms/${encodeURIComponent(id)}/acknowledge`, { comment }),
  histogram: () => request<Histogram>('/alarms/histogram?hours=24&step=900'),
}
