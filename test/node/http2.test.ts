import type { Adapter } from '../adapter-contract/app.ts'
import { adapterContract, useBench } from '../adapter-contract.ts'
import { bridge, serveHttp2 } from './http2.ts'
import { nodeAdapter } from './servers.ts'

// The clients of the contract speak http/1.1, so a bridge stands between them and the server.

const http2Adapter: Adapter = {
  name: 'node:http2',
  async listener(app, scope) {
    const listener = await nodeAdapter.listener(app, scope)
    return bridge(await serveHttp2(scope, listener as never))
  },
}

adapterContract(http2Adapter, useBench())
