import { reactive } from 'vue'
import { api } from '../api/client'
import { t } from '../text'
import { putAlarm } from './world'

/** The one acknowledgement that is being asked for, if any. */
export const ack = reactive({ alarm: '', comment: '', fault: '', busy: false })

export function askAck(alarm: string): void {
  Object.assign(ack, { alarm, comment: '', fault: '', busy: false })
}

export function dropAck(): void {
  ack.alarm = ''
}

export async function sendAck(): Promise<void> {
  if (!ack.alarm || ack.busy) return
  ack.busy = true
  try {
    putAlarm(await api.acknowledge(ack.alarm, ack.comment.trim()))
    dropAck()
  } catch (error) {
    ack.fault = t('ackFailed', { m: error instanceof Error ? error.message : String(error) })
  } finally {
    ack.busy = false
  }
}
