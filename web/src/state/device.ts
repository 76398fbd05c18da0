import { computed, ref, shallowRef, watch } from 'vue'
import { api } from '../api/client'
import type { Changes, Command, DeviceDetail, Latest, StateSpan } from '../api/types'
import { onChanges } from './live'
import { now } from './time'
import { selectedDevice, view } from './view'

export const detail = shallowRef<DeviceDetail>()
export const latest = shallowRef<Latest[]>([])
export const states = shallowRef<StateSpan[]>([])
export const commands = shallowRef<Command[]>([])
export const missing = ref(false)
export const fault = ref('')
/** The point that the chart draws. */
export const chosenPoint = ref('')

const WEEK_MS = 7 * 86_400_000
let turn = 0

/** The node lists points that have a value; those that never had one follow, empty. */
function everyPoint(info: DeviceDetail, items: Latest[]): Latest[] {
  const known = new Set(items.map((row) => row.point))
  const silent = (info.device.points ?? []).filter((point) => !known.has(point.name))
  return [
    ...items,
    ...silent.map(
      (point): Latest => ({
        point: point.name,
        title: point.title ?? '',
        unit: point.unit ?? '',
        type: point.type ?? 'float',
        value: null,
        quality: 'bad',
        reason: '',
        time: '',
        received: '',
        stale: false,
        writable: point.writable ?? false,
        limits: [],
      }),
    ),
  ]
}

/** The point to draw first: one with limits, else a number, else what there is. */
function worthDrawing(rows: readonly Latest[]): string {
  const numbers = rows.filter((row) => row.type === 'float' || row.type === 'int')
  const first = numbers.find((row) => row.limits.length > 0) ?? numbers[0] ?? rows[0]
  return first?.point ?? ''
}

export async function loadDevice(id: string): Promise<void> {
  const mine = (turn += 1)
  try {
    const [info, values, week, orders] = await Promise.all([
      api.device(id),
      api.latest(id),
      api.states(id, new Date(now.value - WEEK_MS).toISOString()),
      api.commands(id),
    ])
    if (mine !== turn) return
    detail.value = info
    latest.value = everyPoint(info, values.items)
    states.value = week.items
    commands.value = orders.items
    missing.value = false
    fault.value = ''
    if (!latest.value.some((row) => row.point === chosenPoint.value)) {
      chosenPoint.value = worthDrawing(latest.value)
    }
  } catch (error) {
    if (mine !== turn) return
    missing.value = true
    fault.value = error instanceof Error ? error.message : String(error)
  }
}

function clear(): void {
  turn += 1
  detail.value = undefined
  latest.value = []
  states.value = []
  commands.value = []
  missing.value = false
}

watch(
  [selectedDevice, view],
  ([id, shown], before) => {
    if (id !== before?.[0]) clear()
    if (id && shown === 'device') void loadDevice(id)
  },
  { immediate: true },
)

export function putCommand(command: Command): void {
  const others = commands.value.filter((one) => one.id !== command.id)
  const known = commands.value.length !== others.length
  commands.value = known
    ? commands.value.map((one) => (one.id === command.id ? command : one))
    : [command, ...others]
}

function take(change: Changes): void {
  const id = selectedDevice.value
  if (!id || !detail.value) return
  for (const row of change.latest) {
    if (row.device !== id) continue
    const { point, value, quality, time } = row
    latest.value = latest.value.map((own) =>
      own.point === point
        ? { ...own, value, quality, time, stale: false, reason: quality === 'good' ? '' : own.reason }
        : own,
    )
  }
  for (const row of change.status) {
    if (row.device !== id) continue
    const { state, since, cause } = row
    detail.value = {
      ...detail.value,
      status: { ...detail.value.status, state, since, cause },
    }
    states.value = [...states.value, { state, since, cause }]
  }
  for (const outcome of change.outcomes) if (outcome.device === id) putCommand(outcome)
  if (change.devices.includes(id)) void loadDevice(id)
}

onChanges(take)

/** A point's declared cadence, range and the like. */
export const specs = computed(
  () => new Map((detail.value?.device.points ?? []).map((point) => [point.name, point])),
)

const STALE_CADENCES = 3
const STALE_SLACK_S = 5

/** A value is old when the node says so, or by the node's own measure as time goes on. */
export function isStale(row: Latest): boolean {
  const cadence = specs.value.get(row.point)?.cadence
  if (row.stale || !cadence || !row.time) return row.stale
  const age = (now.value - Date.parse(row.time)) / 1000
  return age > STALE_CADENCES * cadence + STALE_SLACK_S
}
