import { ack, askAck, dropAck } from './ack'
import { readOnly } from './session'
import { toggleLang, toggleTheme, wall } from './settings'
import {
  askMap,
  helpOpen,
  inView,
  openDevice,
  selectedAlarm,
  selectedDevice,
  view,
} from './view'
import { openAlarms, sortedAlarms } from './world'

export interface KeyTargets {
  search(): void
  range(by: number): void
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, textarea, select')
}

/** Move in the list of the view that is open; the map follows. */
function step(by: number): void {
  if (view.value === 'overview') {
    const ids = sortedAlarms.value.map((alarm) => alarm.id)
    const next = beside(ids, selectedAlarm.value, by)
    if (next) selectedAlarm.value = next
    return
  }
  const next = beside(inView.value, selectedDevice.value, by)
  if (next) openDevice(next, false)
}

function beside(ids: readonly string[], id: string, by: number): string | undefined {
  const at = ids.indexOf(id)
  if (at < 0) return by > 0 ? ids[0] : ids.at(-1)
  return ids[Math.min(Math.max(0, at + by), ids.length - 1)]
}

function open(): void {
  const alarm = openAlarms.value.get(selectedAlarm.value)
  if (view.value === 'overview' && alarm) openDevice(alarm.device)
}

/** The alarm that A is about: the chosen row, or the worst one of the chosen device. */
export function alarmAtHand(): string {
  if (view.value === 'overview') return selectedAlarm.value
  const own = sortedAlarms.value.filter((alarm) => alarm.device === selectedDevice.value)
  return (own.find((alarm) => !alarm.acknowledged) ?? own[0])?.id ?? ''
}

function acknowledge(): void {
  const alarm = openAlarms.value.get(alarmAtHand())
  if (alarm && !alarm.acknowledged && !readOnly.value) askAck(alarm.id)
}

function back(): void {
  if (helpOpen.value) helpOpen.value = false
  else if (ack.alarm) dropAck()
  else if (view.value === 'device') view.value = 'overview'
  else selectedAlarm.value = ''
}

function fullScreen(): void {
  if (document.fullscreenElement) void document.exitFullscreen()
  else void document.documentElement.requestFullscreen()
}

function table(targets: KeyTargets): Record<string, () => void> {
  return {
    '1': () => (view.value = 'overview'),
    '2': () => (view.value = 'device'),
    '/': targets.search,
    j: () => step(1),
    k: () => step(-1),
    Enter: open,
    a: acknowledge,
    '[': () => targets.range(-1),
    ']': () => targets.range(1),
    '+': () => askMap('in'),
    '=': () => askMap('in'),
    '-': () => askMap('out'),
    '0': () => askMap('home'),
    ArrowLeft: () => askMap('left'),
    ArrowRight: () => askMap('right'),
    ArrowUp: () => askMap('up'),
    ArrowDown: () => askMap('down'),
    t: toggleTheme,
    e: toggleLang,
    f: fullScreen,
    '?': () => (helpOpen.value = !helpOpen.value),
    Escape: back,
  }
}

/** Listen to the keys of the whole screen; returns the way to stop. */
export function listenKeys(targets: KeyTargets): () => void {
  const actions = table(targets)
  const heard = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    if (key === 'Enter' && event.target instanceof HTMLButtonElement) return
    const action = actions[key]
    if (!action || (wall && key !== 'f')) return
    event.preventDefault()
    action()
  }
  addEventListener('keydown', heard)
  return () => removeEventListener('keydown', heard)
}
