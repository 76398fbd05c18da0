import { LineChart, type LineSeriesOption } from 'echarts/charts'
import {
  GridComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TooltipComponent,
} from 'echarts/components'
import { init, use, type ECharts } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'
import type { History, Limit, Severity } from '../api/types'
import { t } from '../text'
import { clock, day, hourMinute, span, unitText, valueText } from '../text/format'
import { fixed, plain } from '../text/number'
import { bounds, drawn, type Drawn } from './series'

use([LineChart, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent, CanvasRenderer])

export interface Picture {
  history: History
  limits: readonly Limit[]
  unit: string
  cadence: number | undefined
  /** Decimals of its values, as elsewhere on the screen. */
  digits: number
  /** Epoch ms that the axis spans. */
  from: number
  to: number
  scale: number
}

const FONT = 'Noto Sans SC Variable, sans-serif'
const TOKENS: Record<Severity, string> = {
  critical: '--crit',
  major: '--major',
  minor: '--minor',
  notice: '--info',
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

/** The history of one point: line, band of extremes, gaps and limits. */
export class HistoryChart {
  private readonly chart: ECharts

  constructor(frame: HTMLElement) {
    this.chart = init(frame, undefined, { renderer: 'canvas' })
  }

  draw(picture: Picture): void {
    const data = drawn(picture.history, picture.cadence)
    const isBool = picture.history.type === 'bool'
    const edges = isBool
      ? { min: 0, max: 1 }
      : bounds(data.span, picture.limits.map((limit) => limit.limit))
    const step = Math.max(0, -Math.floor(Math.log10((edges.max - edges.min) / 4)))
    const px = picture.scale
    const text = { color: token('--t3'), fontSize: 11 * px, fontFamily: FONT }
    this.chart.setOption(
      {
        animation: false,
        grid: { left: 52 * px, right: 88 * px, top: 14 * px, bottom: 24 * px },
        tooltip: this.tooltip(picture, isBool),
        xAxis: {
          type: 'time',
          min: picture.from,
          max: picture.to,
          axisLine: { lineStyle: { color: token('--line2') } },
          axisTick: { show: false },
          splitNumber: 7,
          axisLabel: {
            ...text,
            hideOverlap: true,
            formatter: (at: number) =>
              picture.to - picture.from > 2 * 86_400_000 ? day(at) : hourMinute(at),
          },
        },
        yAxis: {
          type: 'value',
          ...edges,
          splitNumber: isBool ? 1 : 4,
          axisLabel: {
            ...text,
            formatter: (value: number) => (isBool ? valueText(value >= 1) : fixed(value, step)),
          },
          splitLine: { lineStyle: { color: token('--line') } },
        },
        series: this.series(picture, data, isBool),
      },
      { notMerge: true },
    )
  }

  private tooltip(picture: Picture, isBool: boolean): object {
    return {
      trigger: 'axis',
      renderMode: 'richText',
      backgroundColor: token('--bg2'),
      borderColor: token('--line2'),
      padding: 8,
      textStyle: { color: token('--t1'), fontSize: 12 * picture.scale, fontFamily: FONT },
      axisPointer: { lineStyle: { color: token('--t3') } },
      formatter: (params: unknown) => {
        const rows = Array.isArray(params) ? (params as { seriesId?: string; value: unknown }[]) : []
        const row = rows.find((one) => one.seriesId === 'line')
        if (!Array.isArray(row?.value)) return ''
        const [at, value] = row.value as [number, number | null]
        if (value === null) return ''
        const shown = isBool ? valueText(value >= 1) : `${fixed(value, picture.digits)} ${unitText(picture.unit)}`
        return `${day(at)} ${clock(at)}\n${shown}`
      },
    }
  }

  private series(picture: Picture, data: Drawn, isBool: boolean): LineSeriesOption[] {
    const colour = token('--ac')
    const band: LineSeriesOption = {
      type: 'line',
      stack: 'band',
      symbol: 'none',
      silent: true,
      lineStyle: { opacity: 0 },
      tooltip: { show: false },
    }
    const bands: LineSeriesOption[] = picture.history.aggregated
      ? [
          { ...band, id: 'low', data: data.low },
          { ...band, id: 'high', data: data.height, areaStyle: { color: colour, opacity: 0.18 } },
        ]
      : []
    const last = data.line.at(-1)
    return [
      ...bands,
      {
        id: 'line',
        type: 'line',
        data: data.line,
        symbol: data.line.length < 3 ? 'circle' : 'none',
        step: isBool ? 'end' : false,
        connectNulls: false,
        lineStyle: { color: colour, width: 1.6 * picture.scale },
        itemStyle: { color: colour },
        markLine: {
          silent: true,
          symbol: 'none',
          animation: false,
          data: [...this.limitLines(picture), ...(isBool || !last ? [] : this.now(picture, last))],
        },
        markArea: { silent: true, data: this.gapAreas(picture, data) },
      },
    ]
  }

  private limitLines(picture: Picture): object[] {
    return picture.limits.map((limit) => {
      const colour = token(TOKENS[limit.severity])
      return {
        yAxis: limit.limit,
        lineStyle: { color: colour, type: [4, 3], width: 1.2 * picture.scale },
        label: {
          position: 'end',
          color: colour,
          fontFamily: FONT,
          fontSize: 11 * picture.scale,
          formatter: `${limit.title || t('limit')} ${plain(limit.limit)}`,
        },
      }
    })
  }

  /** The last value, written at the right edge without a line of its own. */
  private now(picture: Picture, [, value]: [number, number | null]): object[] {
    if (value === null) return []
    return [
      {
        yAxis: value,
        lineStyle: { color: 'transparent' },
        label: {
          position: 'end',
          color: token('--t1'),
          fontFamily: FONT,
          fontWeight: 600,
          fontSize: 12 * picture.scale,
          formatter: `${fixed(value, picture.digits)} ${unitText(picture.unit)}`,
        },
      },
    ]
  }

  private gapAreas(picture: Picture, data: Drawn): [object, object][] {
    const least = (picture.to - picture.from) / 60
    return data.gaps.map(({ from, to }) => [
      {
        xAxis: from,
        itemStyle: { color: hatch(token('--line2')) },
        label: {
          show: to - from > least,
          position: 'insideTop',
          color: token('--t3'),
          fontFamily: FONT,
          fontSize: 11 * picture.scale,
          formatter: t('gap', { n: span((to - from) / 1000) }),
        },
      },
      { xAxis: to },
    ])
  }

  resize(): void {
    this.chart.resize()
  }

  dispose(): void {
    this.chart.dispose()
  }
}

/** Diagonal lines: a gap is seen as a gap without its colour. */
function hatch(colour: string): object {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = 8
  const ctx = canvas.getContext('2d')
  if (ctx) {
    ctx.strokeStyle = colour
    ctx.lineWidth = 1
    ctx.stroke(new Path2D('M-2 2L2 -2M0 8L8 0M6 10L10 6'))
  }
  return { image: canvas, repeat: 'repeat' }
}
