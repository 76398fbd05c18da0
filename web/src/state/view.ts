import { ref, watch } from 'vue'
import { wall } from './settings'

export type View = 'overview' | 'device'

const asked = new URLSearchParams(location.search).get('device') ?? ''

export const selectedDevice = ref(asked)
export const view = ref<View>(asked ? 'device' : 'overview')
/** Row that J and K move in the alarm list. */
export const selectedAlarm = ref('')
export const helpOpen = ref(false)
/** Icons that are shown; empty means all. */
export const shownKinds = ref(new Set<string>())
/** Ids of the devices inside the map's frame, as the map last reported. */
export const inView = ref<string[]>([])

/** What the map is asked to do; `serial` makes each wish a new one. */
export interface MapWish {
  serial: number
  kind: 'home' | 'in' | 'out' | 'left' | 'right' | 'up' | 'down' | 'device' | 'show' | 'area'
  id?: string
}
export const mapWish = ref<MapWish>({ serial: 0, kind: 'home' })

export function askMap(kind: MapWish['kind'], id?: string): void {
  const serial = mapWish.value.serial + 1
  mapWish.value = id === undefined ? { serial, kind } : { serial, kind, id }
}

/** Open the device view. `fly` brings the map close; otherwise it moves only if it must. */
export function openDevice(id: string, fly = true): void {
  selectedDevice.value = id
  view.value = 'device'
  askMap(fly ? 'device' : 'show', id)
}

export function toggleKind(icon: string): void {
  const next = new Set(shownKinds.value)
  if (!next.delete(icon)) next.add(icon)
  shownKinds.value = next
}

watch([view, selectedDevice], () => {
  if (wall) return
  const query = new URLSearchParams(location.search)
  if (view.value === 'device' && selectedDevice.value) query.set('device', selectedDevice.value)
  else query.delete('device')
  const text = query.toString()
  history.replaceState(null, '', text ? `?${text}` : location.pathname)
})
