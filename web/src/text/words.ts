import type { DeviceState, Severity } from '../api/types'

type Pair = readonly [zh: string, en: string]

export const STATE_WORDS: Record<DeviceState, Pair> = {
  online: ['在线', 'Online'],
  degraded: ['降级', 'Degraded'],
  offline: ['离线', 'Offline'],
  maintenance: ['维护', 'Maintenance'],
  unknown: ['未知', 'Unknown'],
}

export const SEVERITY_WORDS: Record<Severity, Pair> = {
  critical: ['紧急', 'Critical'],
  major: ['重要', 'Major'],
  minor: ['一般', 'Minor'],
  notice: ['提示', 'Notice'],
}

/** Names of kinds and categories, by icon: short, the same on the map and in lists. */
export const KIND_WORDS: Record<string, Pair> = {
  camera: ['视频', 'Cameras'],
  water: ['水情', 'Water'],
  gas: ['燃气', 'Gas'],
  tilt: ['倾斜', 'Tilt'],
  meter: ['表计', 'Meters'],
  fire: ['消防', 'Fire'],
  rain: ['雨量', 'Rain'],
  gateway: ['网关', 'Gateways'],
  actuator: ['执行设备', 'Actuators'],
  alarm_input: ['报警输入', 'Alarm inputs'],
  sensor: ['其他传感器', 'Other sensors'],
  platform: ['平台', 'Platforms'],
  person: ['人员', 'People'],
  car: ['车辆', 'Vehicles'],
}

export const COMMAND_WORDS: Record<string, Pair> = {
  accepted: ['已受理', 'Accepted'],
  sent: ['已发出', 'Sent'],
  delivered: ['已送达', 'Delivered'],
  done: ['已完成', 'Done'],
  failed: ['失败', 'Failed'],
  refused: ['被拒绝', 'Refused'],
  expired: ['已超时', 'Expired'],
  not_connected: ['设备未连接', 'Not connected'],
  sent_no_answer: ['已发出，无回答', 'Sent, no answer came'],
}

export const LINK_WORDS: Record<string, Pair> = {
  connected: ['已连接', 'Connected'],
  connecting: ['连接中', 'Connecting'],
  retrying: ['重试中', 'Retrying'],
  parked: ['已停止', 'Parked'],
}

export const PROTOCOL_WORDS: Record<string, string> = {
  mqtt: 'MQTT',
  modbus: 'Modbus',
  opcua: 'OPC UA',
  http: 'HTTP',
  rtsp: 'RTSP',
  gb28181: 'GB/T 28181',
}
