import type { DeviceState, Severity } from '../api/types'

/**
 * One stroke or area of a shape. `fill` and `line` take the shape's colour, `ink` is drawn
 * over a fill in the colour that is read on it. `width` and `dash` are in the shape's units.
 */
export interface Part {
  d: string
  mode: 'fill' | 'line' | 'ink'
  width?: number
  dash?: number[]
}

export interface Shape {
  size: number
  parts: Part[]
}

function circle(cx: number, cy: number, r: number): string {
  return `M${cx - r} ${cy}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`
}

const fill = (d: string): Part => ({ d, mode: 'fill' })
const line = (d: string, width: number, dash?: number[]): Part =>
  dash ? { d, mode: 'line', width, dash } : { d, mode: 'line', width }
const ink = (d: string, width: number): Part => ({ d, mode: 'ink', width })

export const STATE_SHAPES: Record<DeviceState, Shape> = {
  online: { size: 12, parts: [fill(circle(6, 6, 4.5))] },
  degraded: {
    size: 12,
    parts: [line(circle(6, 6, 4.25), 1.5), fill('M6 1.75a4.25 4.25 0 0 1 0 8.5z')],
  },
  offline: {
    size: 12,
    parts: [line('M2 2h8v8H2z', 1.4), line('M4.2 4.2l3.6 3.6M7.8 4.2L4.2 7.8', 1.3)],
  },
  maintenance: {
    size: 12,
    parts: [
      fill('M3.7 1.5h4.6a2.2 2.2 0 0 1 2.2 2.2v4.6a2.2 2.2 0 0 1-2.2 2.2H3.7a2.2 2.2 0 0 1-2.2-2.2V3.7a2.2 2.2 0 0 1 2.2-2.2z'),
      ink('M3.6 6h4.8', 1.6),
    ],
  },
  unknown: { size: 12, parts: [line(circle(6, 6, 4.4), 1.3, [1.7, 1.4]), fill(circle(6, 6, 1))] },
}

export const SEVERITY_SHAPES: Record<Severity, Shape> = {
  critical: {
    size: 14,
    parts: [fill('M7 .6L13.4 7 7 13.4 .6 7z'), ink('M7 3.9v3.7M7 9.7v.3', 1.5)],
  },
  major: {
    size: 14,
    parts: [fill('M7 1.2l6.2 11.2H.8z'), ink('M7 5.2v3.4M7 10.5v.2', 1.4)],
  },
  minor: { size: 14, parts: [line('M7 2.2l5.2 9.6H1.8z', 1.4)] },
  notice: { size: 14, parts: [line('M2 3h10v8H2z', 1.3), line('M4.4 7h5.2', 1.4)] },
}

const W = 1.35
const KIND_PATHS: Record<string, string> = {
  camera: 'M1.6 5.2l9.6-2 .9 4.2-9.6 2zM12 5l2.4-.6.5 2.3-2.4.5M5 9.2v3.2H1.6M1.6 10.6v3.4',
  water:
    'M4 1.5v9M4 3h2.2M4 5.5h1.4M4 8h2.2M1 12.3c1.4-1.3 2.8-1.3 4.2 0s2.8 1.3 4.2 0 2.8-1.3 4.2 0M8.2 9.4c1.2-.9 2.6-.9 4 .2',
  gas: `${circle(5, 6, 3.1)}${circle(11.4, 4.4, 1.7)}${circle(10.2, 11.2, 2.5)}M7.9 5.2l1.9-.5M6.9 8.4l1.5 1`,
  tilt: 'M1.5 13.7h13M4.6 13.4L8.4 2.2l2.9 1-3.6 10.2M11.5 10.2a4 4 0 0 1 1.4 3.1',
  meter: `M2 11.6a6.2 6.2 0 1 1 12 0M8 11l3-4.6M2 13.8h12${circle(8, 11, 1)}`,
  fire: 'M8 1.6c.6 2.6 4.3 4.2 4.3 8A4.3 4.3 0 0 1 8 14.2a4.3 4.3 0 0 1-4.3-4.6c0-1.5.7-2.4 1.5-3.3.2 1 .6 1.6 1.2 1.9C6 5.7 6.6 3.4 8 1.6z',
  rain: 'M8 1.8c2.6 3.4 4 5.3 4 7.6a4 4 0 0 1-8 0c0-2.3 1.4-4.2 4-7.6z',
  gateway:
    'M2 9h12v4.6H2zM4.4 11.3h.1M6.8 11.3h.1M11 9V6.6M8.8 5a3 3 0 0 1 4.4 0M7.4 3.2a5.3 5.3 0 0 1 7.2 0',
  person: `${circle(8, 4.4, 2.5)}M3.4 14c0-3.4 2-5.2 4.6-5.2s4.6 1.8 4.6 5.2`,
  car: `M1.6 11.4V8.6l2-.6 1.5-3.2h5.4l2.2 3.2 1.7.6v2.8z${circle(4.6, 11.6, 1.3)}${circle(11.4, 11.6, 1.3)}`,
  actuator: 'M1.8 6.4l6.2 3.2-6.2 3.2zM14.2 6.4L8 9.6l6.2 3.2zM8 9.6V3.4M5.2 3.4h5.6',
  alarm_input: 'M3 12h10M4.4 12V7.6a3.6 3.6 0 0 1 7.2 0V12M8 1.4v1.2M7 14.2h2',
  sensor: `${circle(8, 8, 1.7)}M4.4 11.6a5.1 5.1 0 0 1 0-7.2M11.6 4.4a5.1 5.1 0 0 1 0 7.2M2.2 13.4a8 8 0 0 1 0-10.8M13.8 2.6a8 8 0 0 1 0 10.8`,
  platform: 'M2 3h12v4H2zM2 9h12v4H2zM4.4 5h.1M4.4 11h.1',
}

export const KIND_SHAPES: Record<string, Shape> = Object.fromEntries(
  Object.entries(KIND_PATHS).map(([name, d]) => [name, { size: 16, parts: [line(d, W)] }]),
)

/** Name of the icon for a device: its category where that has one, else its kind. */
export function iconOf(kind: string, category: string): string {
  if (category in KIND_SHAPES) return category
  if (category === 'vehicle') return 'car'
  return kind in KIND_SHAPES ? kind : 'sensor'
}

/** Draw `shape` with its centre at x, y. */
export function drawShape(
  ctx: CanvasRenderingContext2D,
  shape: Shape,
  at: { x: number; y: number; size: number; colour: string; ink: string },
): void {
  const k = at.size / shape.size
  ctx.save()
  ctx.translate(at.x - at.size / 2, at.y - at.size / 2)
  ctx.scale(k, k)
  ctx.lineCap = 'round'
  ctx.lineJoin = 'round'
  for (const part of shape.parts) {
    const path = new Path2D(part.d)
    if (part.mode === 'fill') {
      ctx.fillStyle = at.colour
      ctx.fill(path)
      continue
    }
    ctx.strokeStyle = part.mode === 'ink' ? at.ink : at.colour
    ctx.lineWidth = part.width ?? 1
    ctx.setLineDash(part.dash ?? [])
    ctx.stroke(path)
  }
  ctx.restore()
}
