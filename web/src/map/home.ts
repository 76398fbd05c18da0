import type { FeatureCollection } from 'geojson'
import type { Map as MapLibre } from 'maplibre-gl'
import type { MapInfo } from '../api/types'
import { span } from './camera'

const BLANK_PADDING = 70

/**
 * The view of the whole map. While nobody moved it by hand it stays the whole map: when the frame
 * changes its size, and on a blank map when devices come that lie outside.
 */
export class HomeView {
  private kept = true
  private fitted = false

  constructor(
    private readonly map: MapLibre,
    private readonly info: MapInfo,
    private readonly scale: () => number,
    private readonly devices: () => FeatureCollection,
  ) {
    map.on('movestart', ({ originalEvent }) => {
      if (originalEvent) this.kept = false
    })
    map.on('resize', () => {
      if (this.kept) this.go(0)
    })
  }

  /** The map, to be moved away from home. */
  leave(): MapLibre {
    this.kept = false
    return this.map
  }

  go(duration: number): void {
    this.kept = true
    if (this.info.kind !== 'vector') return this.fitDevices(duration)
    const scale = this.scale()
    this.map.fitBounds(this.info.bounds, {
      padding: { top: 26 * scale, bottom: 26 * scale, left: 40 * scale, right: 40 * scale },
      duration,
    })
  }

  /** Without a map of its own the frame is what the devices span. */
  private fitDevices(duration: number): void {
    const box = span(this.devices())
    if (!box) return
    this.fitted = true
    const { clientWidth, clientHeight } = this.map.getContainer()
    const padding = Math.min(BLANK_PADDING * this.scale(), clientWidth / 5, clientHeight / 5)
    this.map.fitBounds(box, { padding, duration, maxZoom: 15 })
  }

  /** The devices have changed: the first ones, and any outside, are brought into the frame. */
  keep(): void {
    if (this.info.kind === 'vector' || !this.kept) return
    const box = span(this.devices())
    if (!box) return
    const [w, s, e, n] = box
    const bounds = this.map.getBounds()
    const inside = bounds.contains([w, s]) && bounds.contains([e, n])
    if (!inside || !this.fitted) this.go(0)
  }
}
