import type { Changes } from './types'

export interface StreamHandlers {
  /** Connected. `fresh` is true when what was missed cannot be replayed: load everything again. */
  hello(now: string, fresh: boolean): void
  changes(change: Changes): void
  /** The stream gave a sign of life. */
  alive(): void
  /** The link is down; a new attempt follows by itself. */
  lost(): void
}

interface Hello {
  generation: string | number
  now: string
}

const SILENT_MS = 45_000
const RETRY_MS: readonly number[] = [1000, 2000, 4000, 8000, 15_000]

/** One EventSource that is replaced when it gives up or falls silent. */
export class Stream {
  private source: EventSource | undefined
  private generation: string | undefined
  private retry: number | undefined
  private attempts = 0
  private heard = performance.now()

  constructor(private readonly handlers: StreamHandlers) {}

  open(): void {
    this.close()
    let resumed = false
    const source = new EventSource('/api/v1/stream')
    this.source = source
    source.addEventListener('hello', (event: MessageEvent<string>) => {
      const hello = JSON.parse(event.data) as Hello
      const generation = String(hello.generation)
      const fresh = !resumed || generation !== this.generation
      resumed = true
      this.generation = generation
      this.sign()
      this.handlers.hello(hello.now, fresh)
    })
    source.addEventListener('changes', (event: MessageEvent<string>) => {
      this.sign()
      this.handlers.changes(JSON.parse(event.data) as Changes)
    })
    source.addEventListener('ping', () => this.sign())
    source.addEventListener('reset', () => {
      this.sign()
      this.handlers.hello('', true)
    })
    source.addEventListener('error', () => this.failed(source))
  }

  /** Replace a stream that looks open but has been silent although the node has answered. */
  watch(): void {
    if (this.retry === undefined && performance.now() - this.heard > SILENT_MS) {
      this.heard = performance.now()
      this.open()
    }
  }

  close(): void {
    clearTimeout(this.retry)
    this.retry = undefined
    this.source?.close()
    this.source = undefined
  }

  private sign(): void {
    this.heard = performance.now()
    this.attempts = 0
    this.handlers.alive()
  }

  private failed(source: EventSource): void {
    this.handlers.lost()
    if (source.readyState !== EventSource.CLOSED || this.source !== source) return
    const wait = RETRY_MS[Math.min(this.attempts, RETRY_MS.length - 1)] ?? 15_000
    this.attempts += 1
    this.retry = window.setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2))
  }
}
