import type { DeviceState, Severity } from '../api/types'
import { drawShape, KIND_SHAPES, SEVERITY_SHAPES, STATE_SHAPES } from './shapes'

/** Radius in px by size index; the thresholds are in `CLUSTER_STEPS`. */
export const CLUSTER_RADII: readonly number[] = [14, 17.5, 19.5, 21.5, 25, 29]
export const CLUSTER_STEPS: readonly number[] = [3000, 8000, 15_000, 30_000, 60_000]

const STATE_TOKEN: Record<DeviceState, string> = {
  online: '--on',
  degraded: '--deg',
  offline: '--off',
  maintenance: '--mnt',
  unknown: '--unk',
}
const SEVERITY_TOKEN: Record<Severity, string> = {
  critical: '--crit',
  major: '--major',
  minor: '--minor',
  notice: '--info',
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

type Draw = (ctx: CanvasRenderingContext2D, centre: number) => void

/** Pixels of a picture for one px: twice the display's, so that a marker between two is smooth. */
export const imageRatio = (): number => devicePixelRatio * 2

/** A square picture, `size` px at a 16 px root. */
function picture(size: number, scale: number, draw: Draw): ImageData {
  const ratio = imageRatio() * scale
  const side = Math.ceil(size * ratio)
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = side
  // In main memory: reading back from a graphics card that is busy drawing the map is slow.
  const ctx = canvas.getContext('2d', { willReadFrequently: true })
  if (!ctx) throw new Error('This browser draws no 2D canvas.')
  ctx.scale(ratio, ratio)
  draw(ctx, side / ratio / 2)
  return ctx.getImageData(0, 0, side, side)
}

function box(ctx: CanvasRenderingContext2D, c: number, size: number, radius: number): void {
  ctx.beginPath()
  ctx.roundRect(c - size / 2, c - size / 2, size, size, radius)
}

function tile(icon: string, state: DeviceState, selected: boolean): Draw {
  return (ctx, c) => {
    const size = selected ? 38 : 26
    const colour = token(STATE_TOKEN[state])
    ctx.fillStyle = token('--bg1')
    ctx.strokeStyle = selected ? token('--ac') : colour
    ctx.lineWidth = selected ? 2 : state === 'online' ? 1.1 : 1.6
    if (state === 'unknown' && !selected) ctx.setLineDash([3, 2.4])
    box(ctx, c, size - ctx.lineWidth, 5)
    ctx.fill()
    ctx.stroke()
    ctx.setLineDash([])
    const shape = KIND_SHAPES[icon]
    const iconColour = token(state === 'online' || selected ? '--t1' : '--t2')
    if (shape)
      drawShape(ctx, shape, {
        x: c,
        y: c,
        size: selected ? 24 : 17,
        colour: iconColour,
        ink: iconColour,
      })
    if (state === 'online') return
    const corner = { x: c + size / 2 - 1, y: c - size / 2 + 1 }
    ctx.fillStyle = token('--bg1')
    ctx.beginPath()
    ctx.arc(corner.x, corner.y, 8, 0, 2 * Math.PI)
    ctx.fill()
    drawShape(ctx, STATE_SHAPES[state], { ...corner, size: 14, colour, ink: token('--bg1') })
  }
}

/** Shares are in 24ths; what is neither degraded, offline nor `rest` is online. */
function cluster(radius: number, degraded: number, offline: number, rest: number): Draw {
  return (ctx, c) => {
    ctx.fillStyle = token('--bg1')
    ctx.beginPath()
    ctx.arc(c, c, radius, 0, 2 * Math.PI)
    ctx.fill()
    const online = Math.max(0, 24 - degraded - offline - rest)
    const arcs: [number, string, number, number][] = [
      [online, '--on', 1.5, 0.62],
      [degraded, '--deg', 3.2, 1],
      [offline, '--off', 3.2, 1],
      [rest, '--unk', 1.5, 0.8],
    ]
    const whole = online + degraded + offline + rest
    const parts = arcs.filter(([share]) => share > 0).length
    let from = -Math.PI / 2
    for (const [share, colour, width, alpha] of arcs) {
      if (share <= 0) continue
      const to = from + (share / whole) * 2 * Math.PI
      const gap = parts > 1 ? 1.1 / radius : 0
      ctx.beginPath()
      ctx.arc(c, c, radius - 1.6, from + gap, to - gap)
      ctx.strokeStyle = token(colour)
      ctx.globalAlpha = alpha
      ctx.lineWidth = width
      ctx.stroke()
      from = to
    }
    ctx.globalAlpha = 1
  }
}

function marker(severity: Severity): Draw {
  return (ctx, c) => {
    const shape = SEVERITY_SHAPES[severity]
    const size = severity === 'critical' ? 24 : 20
    ctx.save()
    ctx.lineJoin = 'round'
    ctx.translate(c - size / 2, c - size / 2)
    ctx.scale(size / shape.size, size / shape.size)
    ctx.strokeStyle = token('--bg1')
    ctx.lineWidth = 1.8
    const outline = shape.parts[0]
    if (outline) ctx.stroke(new Path2D(outline.d))
    ctx.restore()
    const ink = token(severity === 'critical' ? '--ink-crit' : '--bg0')
    drawShape(ctx, shape, { x: c, y: c, size, colour: token(SEVERITY_TOKEN[severity]), ink })
  }
}

function peak(ctx: CanvasRenderingContext2D, c: number): void {
  ctx.fillStyle = token('--t3')
  ctx.globalAlpha = 0.8
  ctx.fill(new Path2D(`M${c} ${c - 3.6}L${c + 4} ${c + 3.4}H${c - 4}z`))
}

/**
 * Draw the picture that the style asks for by name: `d|icon|state`, `s|icon|state` (selected),
 * `c|size|degraded|offline|rest` (24ths), `a|severity`, `peak`.
 */
export function drawImage(id: string, scale: number): ImageData | undefined {
  const [kind, a = '', b = '', c = '', d = ''] = id.split('|')
  switch (kind) {
    case 'd':
      return picture(46, scale, tile(a, b as DeviceState, false))
    case 's':
      return picture(58, scale, tile(a, b as DeviceState, true))
    case 'c': {
      const radius = CLUSTER_RADII[Number(a)] ?? 14
      return picture(2 * radius + 2, scale, cluster(radius, Number(b), Number(c), Number(d)))
    }
    case 'a':
      return picture(28, scale, marker(a as Severity))
    case 'peak':
      return picture(10, scale, peak)
    default:
      return undefined
  }
}
