import { computed, ref } from 'vue'
import { api } from '../api/client'
import { Stream } from '../api/stream'
import type { Changes } from '../api/types'
import { checkSession } from './session'
import { now, nodeNow, setNodeNow } from './time'
import { apply, loadAll, loadDevices, loadHistogram, loadSummary } from './world'

const REPAINT_MS = 500
const QUIET_MS = 4000

const lastSign = ref(performance.now())
const lastSignEpoch = ref(Date.now())
const linked = ref(false)
const lag = ref(0)

/** Seconds since the node last gave a sign of life. */
export const silence = computed(() => {
  void now.value
  return Math.max(0, (performance.now() - lastSign.value) / 1000)
})

/** Node time of the last sign of life, epoch ms. */
export const lastAlive = computed(() => lastSignEpoch.value)
/** Seconds between a value's arrival at the node and its drawing here. */
export const behind = computed(() => lag.value)

export type LiveState = 'connecting' | 'live' | 'late' | 'dead'
export const liveState = computed<LiveState>(() => {
  if (silence.value > 60) return 'dead'
  if (silence.value > 5) return 'late'
  return linked.value ? 'live' : 'connecting'
})

type Listener = (change: Changes) => void
const listeners = new Set<Listener>()

/** Hear every batch after it was taken into the lists; returns the way to stop. */
export function onChanges(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

let waiting: Changes[] = []
let timer: number | undefined
let lastFlush = 0

function merged(parts: Changes[]): Changes {
  return {
    status: parts.flatMap((part) => part.status ?? []),
    latest: parts.flatMap((part) => part.latest ?? []),
    alarms: parts.flatMap((part) => part.alarms ?? []),
    moved: parts.flatMap((part) => part.moved ?? []),
    devices: parts.flatMap((part) => part.devices ?? []),
    outcomes: parts.flatMap((part) => part.outcomes ?? []),
  }
}

let summaryDue: number | undefined

function refreshFigures(alarms: boolean): void {
  summaryDue ??= window.setTimeout(() => {
    summaryDue = undefined
    void loadSummary()
    if (alarms) void loadHistogram()
  }, 1000)
}

let devicesDue: number | undefined

function refreshDevices(): void {
  devicesDue ??= window.setTimeout(() => {
    devicesDue = undefined
    void loadDevices()
  }, 1500)
}

function flush(): void {
  timer = undefined
  lastFlush = performance.now()
  const change = merged(waiting)
  waiting = []
  apply(change)
  const newest = change.latest.reduce((most, row) => (row.time > most ? row.time : most), '')
  if (newest) lag.value = Math.max(0, (nodeNow() - Date.parse(newest)) / 1000)
  if (change.status.length || change.alarms.length) refreshFigures(change.alarms.length > 0)
  if (change.devices.length) refreshDevices()
  for (const listener of listeners) listener(change)
}

function sign(): void {
  lastSign.value = performance.now()
  lastSignEpoch.value = nodeNow()
}

const stream = new Stream({
  hello(text, fresh) {
    linked.value = true
    if (text) setNodeNow(text)
    if (fresh) void loadAll()
  },
  changes(change) {
    waiting.push(change)
    const wait = Math.max(0, REPAINT_MS - (performance.now() - lastFlush))
    timer ??= window.setTimeout(flush, wait)
  },
  alive: sign,
  lost() {
    linked.value = false
    void checkSession()
  },
})

/** A quiet node is asked whether it is there: silence of the devices is not a broken link. */
async function ask(): Promise<void> {
  if (!linked.value || performance.now() - lastSign.value < QUIET_MS) return
  stream.watch()
  try {
    setNodeNow((await api.node()).now)
    sign()
  } catch {
    linked.value = false
  }
}

export function startLive(): () => void {
  stream.open()
  const heart = setInterval(() => void ask(), QUIET_MS)
  const figures = setInterval(() => {
    void loadSummary()
    void loadHistogram()
  }, 60_000)
  return () => {
    clearInterval(heart)
    clearInterval(figures)
    stream.close()
  }
}
