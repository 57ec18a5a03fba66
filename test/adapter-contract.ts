import type { Adapter } from './adapter-contract/app.ts'
import { badInputContract } from './adapter-contract/bad-input.ts'
import type { Bench } from './adapter-contract/bench.ts'
import { commandsContract } from './adapter-contract/commands.ts'
import { failuresContract } from './adapter-contract/failures.ts'
import { outagesContract } from './adapter-contract/outages.ts'
import { racesContract } from './adapter-contract/races.ts'
import { requestsContract } from './adapter-contract/requests.ts'
import { streamsContract } from './adapter-contract/streams.ts'
import { unreadContract } from './adapter-contract/unread.ts'

export type { Adapter } from './adapter-contract/app.ts'
export { type Bench, type Data, useBench } from './adapter-contract/bench.ts'

/** What every adapter must hold, over real HTTP and with a real Redis. */
export function adapterContract(adapter: Adapter, bench: Bench): void {
  requestsContract(adapter, bench)
  failuresContract(adapter, bench)
  streamsContract(adapter, bench)
  racesContract(adapter, bench)
  commandsContract(adapter, bench)
  unreadContract(adapter, bench)
  outagesContract(adapter, bench)
  badInputContract(adapter, bench)
}
