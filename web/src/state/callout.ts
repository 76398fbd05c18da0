import { computed } from 'vue'
import type { Alarm } from '../api/types'
import { t } from '../text'
import { ago, valueUnit } from '../text/format'
import { digitsOf } from '../text/number'
import { areaName } from './areas'
import { wall } from './settings'
import { now, nodeNow } from './time'
import { selectedAlarm, selectedDevice, view } from './view'
import { devices, openAlarms, sortedAlarms } from './world'

export interface Callout {
  /** Names the marker that it stands at: an alarm's id or a device's. */
  id: string
  device: string
  alarm: string
  lon: number
  lat: number
  title: string
  line: string
  tone: 'critical' | 'major' | 'quiet'
  /** Raised a moment ago: the rings move three times, then stand still. */
  fresh: boolean
}

const FRESH_MS = 5000

function placed(alarm: Alarm | undefined): alarm is Alarm & { lon: number; lat: number } {
  return alarm !== undefined && alarm.lon !== null && alarm.lat !== null
}

function loudest(): Alarm | undefined {
  const open = sortedAlarms.value.filter((alarm) => placed(alarm) && !alarm.acknowledged)
  return (
    open.find((alarm) => alarm.severity === 'critical') ??
    open.find((alarm) => alarm.severity === 'major')
  )
}

function ofAlarm(alarm: Alarm & { lon: number; lat: number }): Callout {
  const raised = Date.parse(alarm.raised)
  return {
    id: alarm.id,
    device: alarm.device,
    alarm: alarm.id,
    lon: alarm.lon,
    lat: alarm.lat,
    title: alarm.message || alarm.type,
    line: `${areaName(alarm.area, alarm.area_name || alarm.device_name)} · ${ago((now.value - raised) / 1000)}`,
    tone: alarm.severity === 'critical' ? 'critical' : alarm.severity === 'major' ? 'major' : 'quiet',
    fresh: nodeNow() - raised < FRESH_MS,
  }
}

function ofDevice(): Callout | undefined {
  const device = devices.value.get(selectedDevice.value)
  if (!device || device.lon === null || device.lat === null) return undefined
  const head = device.headline
  return {
    id: device.id,
    device: device.id,
    alarm: '',
    lon: device.lon,
    lat: device.lat,
    title: device.name,
    line: head
      ? `${head.title || head.point} ${valueUnit(head.value, head.unit, digitsOf(device.id, head.point, head.value))}`
      : t('noValue'),
    tone: 'quiet',
    fresh: false,
  }
}

/** The boxes on the map: the chosen device, or the loudest new alarm and the chosen one. */
export const callouts = computed<Callout[]>(() => {
  if (view.value === 'device') {
    const own = ofDevice()
    return own ? [own] : []
  }
  const chosen = wall ? undefined : openAlarms.value.get(selectedAlarm.value)
  return [...new Set([loudest(), chosen])].filter(placed).map(ofAlarm)
})
