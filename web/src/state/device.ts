import { computed, ref, shallowRef, triggerRef, watch } from 'vue'
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
    latest.value = values.items
    states.value = week.items
    commands.value = orders.items
    missing.value = false
    fault.value = ''
    if (!values.items.some((row) => row.point === chosenPoint.value)) {
      const drawn = values.items.find((row) => row.type !== 'str') ?? values.items[0]
      chosenPoint.value = drawn?.point ?? ''
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
    const own = row.device === id ? latest.value.find((one) => one.point === row.point) : undefined
    if (!own) continue
    Object.assign(own, { value: row.value, quality: row.quality, time: row.time, stale: false })
    if (row.quality === 'good') own.reason = ''
    triggerRef(latest)
  }
  for (const row of change.status) {
    if (row.device !== id) continue
    Object.assign(detail.value.status, { state: row.state, since: row.since, cause: row.cause })
    states.value = [...states.value, { state: row.state, since: row.since, cause: row.cause }]
    triggerRef(detail)
  }
  for (const outcome of change.outcomes) if (outcome.device === id) putCommand(outcome)
  if (change.devices.includes(id)) void loadDevice(id)
}

onChanges(take)

/** A point's declared cadence, range and the like. */
export const specs = computed(
  () => new Map((detail.value?.device.points ?? []).map((point) => [point.name, point])),
)

/** A value is old when the node says so or when two of its cadences have passed. */
export function isStale(row: Latest): boolean {
  const cadence = specs.value.get(row.point)?.cadence
  const age = (now.value - Date.parse(row.time)) / 1000
  return row.stale || (cadence !== undefined && cadence !== null && age > 2 * cadence + 1)
}
