import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'

/** The stream of a response of http2's compatibility API, which shares its connection with others; `undefined` for http. */
export function streamOf(res: ServerResponse): ServerHttp2Stream | undefined {
  const { stream } = res as { stream?: ServerHttp2Stream }
  return typeof stream?.respond === 'function' ? stream : undefined
}

/** Whether nothing can be sent any more. */
export function isDestroyed(res: ServerResponse): boolean {
  return streamOf(res)?.destroyed ?? res.destroyed
}
