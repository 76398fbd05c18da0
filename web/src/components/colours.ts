import type { DeviceState, Severity } from '../api/types'

export const STATE_COLOURS: Record<DeviceState, string> = {
  online: 'var(--on)',
  degraded: 'var(--deg)',
  offline: 'var(--off)',
  maintenance: 'var(--mnt)',
  unknown: 'var(--unk)',
}

export const SEVERITY_COLOURS: Record<Severity, string> = {
  critical: 'var(--crit)',
  major: 'var(--major)',
  minor: 'var(--minor)',
  notice: 'var(--info)',
}
