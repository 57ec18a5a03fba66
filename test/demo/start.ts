import { run } from '../../demo/run.ts'

// The demo as `npm start` runs it, but with another place for "the Redis of this machine": tests never touch port 6379.
const [localPort, ...argv] = process.argv.slice(2)
await run(argv, process.env, Number(localPort))
