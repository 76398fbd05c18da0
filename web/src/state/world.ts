import { computed, reactive, ref, shallowRef, triggerRef } from 'vue'
import { api } from '../api/client'
import {
  SEVERITIES,
  type Alarm,
  type Area,
  type Changes,
  type Command,
  type DeviceView,
  type Histogram,
  type MapInfo,
  type NodeInfo,
  type Summary,
} from '../api/types'

/** Areas by code. */
export const areas = shallowRef(new Map<string, Area>())
export const node = shallowRef<NodeInfo>()
export const map = shallowRef<MapInfo>()
export const summary = shallowRef<Summary>()
export const histogram = shallowRef<Histogram>()
export const devices = shallowRef(new Map<string, DeviceView>())
export const openAlarms = shallowRef(new Map<string, Alarm>())
export const outcomes = shallowRef(new Map<string, Command>())
/** Counts up when something that the map draws of the devices has changed. */
export const placesVersion = ref(0)

/** What fails to load, by part; an empty record means that all is well. */
export const faults = reactive<Record<string, { error: unknown; since: number }>>({})

async function attempt(part: string, load: () => Promise<void>): Promise<void> {
  try {
    await load()
    delete faults[part]
  } catch (error) {
    faults[part] = { error, since: faults[part]?.since ?? Date.now() }
  }
}

export const loadSummary = (): Promise<void> =>
  attempt('summary', async () => {
    summary.value = await api.summary()
  })

export const loadHistogram = (): Promise<void> =>
  attempt('histogram', async () => {
    histogram.value = await api.histogram()
  })

export const loadDevices = (): Promise<void> =>
  attempt('devices', async () => {
    devices.value = new Map((await api.devices()).map((device) => [device.id, device]))
    placesVersion.value += 1
  })

export const loadAlarms = (): Promise<void> =>
  attempt('alarms', async () => {
    openAlarms.value = new Map((await api.openAlarms()).map((alarm) => [alarm.id, alarm]))
  })

const loadMap = (): Promise<void> =>
  attempt('map', async () => {
    map.value ??= await api.map()
  })

const loadAreas = (): Promise<void> =>
  attempt('areas', async () => {
    areas.value = new Map((await api.areas()).items.map((area) => [area.code, area]))
  })

const loadNode = (): Promise<void> =>
  attempt('node', async () => {
    node.value = await api.node()
  })

export async function loadAll(): Promise<void> {
  await Promise.all([
    loadNode(),
    loadMap(),
    loadAreas(),
    loadSummary(),
    loadDevices(),
    loadAlarms(),
    loadHistogram(),
  ])
}

/** Put an alarm where it belongs: open ones are kept, cleared ones leave. */
export function putAlarm(alarm: Alarm): void {
  if (alarm.state === 'cleared') openAlarms.value.delete(alarm.id)
  else openAlarms.value.set(alarm.id, alarm)
  const device = devices.value.get(alarm.device)
  if (device) {
    const open = [...openAlarms.value.values()].filter((one) => one.device === alarm.device)
    device.alarm = SEVERITIES.find((level) => open.some((one) => one.severity === level)) ?? null
  }
  triggerRef(openAlarms)
}

function applyLatest(change: Changes): void {
  for (const row of change.latest) {
    const device = devices.value.get(row.device)
    if (!device) continue
    device.last_seen = row.time
    if (device.headline?.point !== row.point) continue
    device.headline.value = row.value
    device.headline.quality = row.quality
    device.headline.time = row.time
  }
}

function applyPlaces(change: Changes): boolean {
  for (const row of change.status) {
    const device = devices.value.get(row.device)
    if (device) Object.assign(device, { state: row.state, since: row.since, cause: row.cause })
  }
  for (const row of change.moved) {
    const device = devices.value.get(row.device)
    if (device) Object.assign(device, { lon: row.lon, lat: row.lat })
  }
  return change.status.length + change.moved.length > 0
}

/** Take one batch of changes into the lists; what it touches is redrawn once. */
export function apply(change: Changes): void {
  const placed = applyPlaces(change)
  applyLatest(change)
  change.alarms.forEach(putAlarm)
  for (const outcome of change.outcomes) outcomes.value.set(outcome.id, outcome)
  if (change.outcomes.length) triggerRef(outcomes)
  if (placed) placesVersion.value += 1
  if (placed || change.latest.length || change.alarms.length) triggerRef(devices)
}

const rank = (alarm: Alarm): number => SEVERITIES.indexOf(alarm.severity)

/** Open alarms, worst first, then newest first. */
export const sortedAlarms = computed(() =>
  [...openAlarms.value.values()].sort(
    (a, b) => rank(a) - rank(b) || b.raised.localeCompare(a.raised),
  ),
)
