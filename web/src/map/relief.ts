import type { FeatureCollection, Position } from 'geojson'
import type { LngLatPair } from '../api/types'

type Corners = [LngLatPair, LngLatPair, LngLatPair, LngLatPair]

const mercatorY = (lat: number): number => Math.asinh(Math.tan((lat * Math.PI) / 180))

/** The holes of the veil are what lies inside. */
function insideRings(veil: FeatureCollection): Position[][] {
  return veil.features.flatMap(({ geometry }) => {
    if (geometry.type === 'Polygon') return geometry.coordinates.slice(1)
    if (geometry.type === 'MultiPolygon') return geometry.coordinates.flatMap((p) => p.slice(1))
    return []
  })
}

function insidePath(rings: Position[][], corners: Corners, w: number, h: number): Path2D {
  const [west, north] = corners[0]
  const [east, south] = corners[2]
  const top = mercatorY(north)
  const path = new Path2D()
  for (const ring of rings) {
    ring.forEach(([lon = 0, lat = 0], index) => {
      const x = ((lon - west) / (east - west)) * w
      const y = ((mercatorY(lat) - top) / (mercatorY(south) - top)) * h
      if (index === 0) path.moveTo(x, y)
      else path.lineTo(x, y)
    })
    path.closePath()
  }
  return path
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const ctx = canvas.getContext('2d')
  if (!ctx) throw new Error('This browser draws no 2D canvas.')
  return ctx
}

function fadeEdges(ctx: CanvasRenderingContext2D, w: number, h: number): void {
  const depth = Math.round(w * 0.06)
  ctx.globalCompositeOperation = 'destination-out'
  const sides: [number, number, number, number, number, number, number, number][] = [
    [0, 0, depth, 0, 0, 0, depth, h],
    [w, 0, w - depth, 0, w - depth, 0, depth, h],
    [0, 0, 0, depth, 0, 0, w, depth],
    [0, h, 0, h - depth, 0, h - depth, w, depth],
  ]
  for (const [x0, y0, x1, y1, x, y, width, height] of sides) {
    const fade = ctx.createLinearGradient(x0, y0, x1, y1)
    fade.addColorStop(0, '#000')
    fade.addColorStop(1, 'transparent')
    ctx.fillStyle = fade
    ctx.fillRect(x, y, width, height)
  }
  ctx.globalCompositeOperation = 'source-over'
}

/** The relief picture, soft outside the veil's holes and fading out at its own edges. */
export async function bakeRelief(
  url: string,
  corners: Corners,
  veil: FeatureCollection | undefined,
): Promise<HTMLCanvasElement> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`)
  const image = await createImageBitmap(await response.blob())
  const { width, height } = image
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height
  const ctx = context(canvas)
  const rings = veil ? insideRings(veil) : []
  if (rings.length) {
    const small = document.createElement('canvas')
    small.width = Math.round(width / 3.2)
    small.height = Math.round(height / 3.2)
    context(small).drawImage(image, 0, 0, small.width, small.height)
    ctx.drawImage(small, 0, 0, width, height)
    ctx.save()
    ctx.clip(insidePath(rings, corners, width, height))
    ctx.drawImage(image, 0, 0)
    ctx.restore()
  } else {
    ctx.drawImage(image, 0, 0)
  }
  image.close()
  fadeEdges(ctx, width, height)
  return canvas
}
