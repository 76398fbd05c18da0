import type { Feature, FeatureCollection, Point as GeoPoint } from 'geojson'
import {
  GeoJSONSource,
  Map as MapLibre,
  setWorkerUrl,
  type LngLatBoundsLike,
  type MapMouseEvent,
} from 'maplibre-gl'
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url'
import type { Alarm, MapInfo } from '../api/types'
import { drawImage, imageRatio } from './images'
import { neighbourZoom } from './camera'
import { HomeView } from './home'
import type { Look } from './land'
import { areaBounds, loadLayer, type MapData } from './layers'
import { alarmFeature, clusterRadius, pushOut, type Disc } from './places'
import { buildStyle, EMPTY, type Relief } from './style'

setWorkerUrl(workerUrl)

const FLIGHT_MS = 600
/** Markers are pushed off the discs this often while data comes in without a rest. */
const SETTLE_MS = 500
const HIT = ['alarms', 'selected', 'tiles', 'clusters']

export interface MapEvents {
  device(id: string): void
  /** Several devices share one spot that zooming does not part. */
  gathered(ids: string[], at: { x: number; y: number }): void
  background(): void
  /** A frame was drawn: overlays follow. */
  frame(): void
  /** The map came to rest. */
  rest(): void
}

type Live = Record<'devices' | 'selected' | 'alarms', FeatureCollection>

/** The map without any of the page: data in, events out. */
export class MapController {
  readonly map: MapLibre
  discs: Disc[] = []
  private readonly live: Live = { devices: EMPTY, selected: EMPTY, alarms: EMPTY }
  private alarms: Alarm[] = []
  private offsets = new Map<string, [number, number]>()
  private areas: FeatureCollection | undefined
  private look: Look
  private counties = false
  private settled = 0
  private readonly homeView: HomeView

  constructor(
    container: HTMLElement,
    private readonly info: MapInfo,
    look: Look,
    private readonly events: MapEvents,
    private readonly failed: (part: string, error: unknown) => void,
  ) {
    this.look = look
    this.map = new MapLibre({
      container,
      attributionControl: false,
      keyboard: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      renderWorldCopies: false,
      fadeDuration: 120,
      maxZoom: 17,
      ...this.frame(),
      reduceMotion: matchMedia('(prefers-reduced-motion: reduce)').matches,
    })
    this.map.touchZoomRotate.disableRotation()
    this.homeView = new HomeView(this.map, info, () => this.look.scale, () => this.live.devices)
    this.listen()
  }

  private frame(): { bounds?: LngLatBoundsLike; maxBounds?: LngLatBoundsLike } {
    if (this.info.kind !== 'vector') return {}
    const [w, s, e, n] = this.info.bounds
    const dx = (e - w) * 0.6
    const dy = (n - s) * 0.6
    return { bounds: this.info.bounds, maxBounds: [w - dx, s - dy, e + dx, n + dy] }
  }

  private listen(): void {
    const { map } = this
    map.setMissingStyleImageResolver((id) => {
      const image = drawImage(id, this.look.scale)
      if (image && !map.hasImage(id)) map.addImage(id, image, { pixelRatio: imageRatio() })
    })
    map.on('render', () => {
      this.events.frame()
      const due = performance.now() - this.settled > SETTLE_MS
      if (due && !map.isMoving() && map.areTilesLoaded()) this.settle()
    })
    map.on('idle', () => this.settle())
    map.on('click', (event: MapMouseEvent) => void this.clicked(event))
    map.on('mousemove', (event: MapMouseEvent) => {
      const hit = map.queryRenderedFeatures(event.point, { layers: this.hitLayers() })
      map.getCanvas().style.cursor = hit.length ? 'pointer' : ''
    })
    map.on('error', ({ error }: { error: unknown }) => this.failed('map', error))
  }

  private hitLayers(): string[] {
    return HIT.filter((id) => this.map.getLayer(id))
  }

  /** Put on the style; later calls change theme, language or size. */
  async dress(data: MapData, look: Look): Promise<void> {
    this.look = look
    const ready = this.map.once('style.load')
    this.map.setStyle(buildStyle(data, this.live, look, this.relief()), { diff: false })
    await ready
    if (this.counties) this.showCounties()
  }

  private relief(): Relief | undefined {
    const relief = this.info.kind === 'vector' ? this.info.relief : undefined
    if (!relief) return undefined
    const url = new URL(`/map/${encodeURIComponent(relief[this.look.theme])}`, location.href).href
    return { url, coordinates: relief.coordinates }
  }

  private source(name: keyof Live): GeoJSONSource | undefined {
    const source = this.map.getSource(name)
    return source instanceof GeoJSONSource ? source : undefined
  }

  private put(name: keyof Live, data: FeatureCollection): void {
    this.live[name] = data
    void this.source(name)?.setData(data)
  }

  setDevices(data: FeatureCollection): void {
    this.put('devices', data)
    this.homeView.keep()
  }

  setSelected(feature: Feature | undefined): void {
    this.put('selected', feature ? { type: 'FeatureCollection', features: [feature] } : EMPTY)
  }

  setAlarms(alarms: Alarm[]): void {
    this.alarms = alarms
    this.drawAlarms()
  }

  private drawAlarms(): void {
    const features = this.alarms.map((alarm) =>
      alarmFeature(alarm, this.offsets.get(alarm.id) ?? [0, 0]),
    )
    this.put('alarms', features.length ? { type: 'FeatureCollection', features } : EMPTY)
  }

  /** Read where the discs are now, push the alarm markers to their edges, then report rest. */
  private settle(): void {
    this.settled = performance.now()
    const { scale } = this.look
    const layers = ['clusters', 'tiles', 'selected'].filter((id) => this.map.getLayer(id))
    this.discs = this.map.queryRenderedFeatures({ layers }).map((feature) => {
      const [lon = 0, lat = 0] = (feature.geometry as GeoPoint).coordinates
      const { x, y } = this.map.project([lon, lat])
      const many: unknown = feature.properties['point_count']
      const id: unknown = feature.properties['id']
      return typeof many === 'number'
        ? { x, y, r: clusterRadius(many) * scale }
        : { x, y, r: 15 * scale, device: String(id) }
    })
    const next = new Map<string, [number, number]>()
    for (const alarm of this.alarms) {
      const at = this.map.project([alarm.lon ?? 0, alarm.lat ?? 0])
      next.set(alarm.id, pushOut(at, alarm.device, this.discs, scale))
    }
    const moved = [...next].some(([id, [x, y]]) => {
      const old = this.offsets.get(id) ?? [0, 0]
      return Math.abs(old[0] - x) > 1 || Math.abs(old[1] - y) > 1
    })
    this.offsets = next
    if (moved) this.drawAlarms()
    this.events.rest()
  }

  /** Where the marker of an alarm, or a device, stands in px of the frame. */
  pixel(place: { id: string; lon: number; lat: number }): { x: number; y: number } {
    const at = this.map.project([place.lon, place.lat])
    const [dx, dy] = this.offsets.get(place.id) ?? [0, 0]
    return { x: at.x + dx, y: at.y + dy }
  }

  private async clicked(event: MapMouseEvent): Promise<void> {
    const hits = this.map.queryRenderedFeatures(event.point, { layers: this.hitLayers() })
    const hit = hits[0]
    if (!hit) return this.events.background()
    const many: unknown = hit.properties['cluster_id']
    if (typeof many === 'number') return this.openCluster(many, hit, event)
    const id: unknown = hit.properties['device'] ?? hit.properties['id']
    const ids = hits
      .filter((one) => one.layer.id === 'tiles')
      .map((one) => String(one.properties['id']))
    if (hit.layer.id === 'tiles' && new Set(ids).size > 1)
      this.events.gathered([...new Set(ids)], event.point)
    else this.events.device(String(id))
  }

  private async openCluster(id: number, hit: Feature, event: MapMouseEvent): Promise<void> {
    const source = this.source('devices')
    if (!source) return
    const zoom = await source.getClusterExpansionZoom(id)
    const at = (hit.geometry as GeoPoint).coordinates as [number, number]
    const leaves = await source.getClusterLeaves(id, 200, 0)
    const spots = new Set(leaves.map((leaf) => (leaf.geometry as GeoPoint).coordinates.join()))
    if (spots.size === 1)
      this.events.gathered(
        leaves.map((leaf) => String(leaf.properties?.['id'])),
        event.point,
      )
    else this.homeView.leave().easeTo({ center: at, zoom: Math.min(zoom + 0.3, 17), duration: FLIGHT_MS })
  }

  /** Wait until everything that lies in the frame is drawn, even if data keeps coming in. */
  drawn(): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!this.map.isStyleLoaded() || !this.map.areTilesLoaded()) return
        this.map.off('render', check)
        this.map.off('idle', check)
        resolve()
      }
      this.map.on('render', check)
      this.map.on('idle', check)
    })
  }

  /** County names are drawn once the font has their characters. */
  showCounties(): void {
    this.counties = true
    if (this.map.getLayer('label-county'))
      this.map.setLayoutProperty('label-county', 'visibility', 'visible')
  }

  home(duration = FLIGHT_MS): void {
    this.homeView.go(duration)
  }

  async showArea(code: string): Promise<void> {
    if (this.info.kind !== 'vector' || !this.info.layers.areas) return
    try {
      this.areas ??= await loadLayer(this.info.layers.areas)
    } catch (error) {
      this.failed('areas', error)
      return
    }
    const box = areaBounds(this.areas, code)
    if (box) this.homeView.leave().fitBounds(box, { padding: 40, duration: FLIGHT_MS })
  }

  /** Bring a device close; with `near` false only make sure that it is in the frame. */
  showDevice(at: [number, number], near: boolean): void {
    if (near) {
      const zoom = Math.max(this.map.getZoom(), neighbourZoom(at, this.live.devices, this.map.getContainer()))
      this.homeView.leave().easeTo({ center: at, zoom, duration: FLIGHT_MS })
    } else if (!this.map.getBounds().contains(at)) {
      this.homeView.leave().easeTo({ center: at, duration: FLIGHT_MS })
    }
  }

  pan(x: number, y: number): void {
    this.homeView.leave().panBy([x, y], { duration: 200 })
  }

  zoom(by: number): void {
    this.homeView.leave().easeTo({ zoom: this.map.getZoom() + by, duration: 200 })
  }

  destroy(): void {
    this.map.remove()
  }
}
