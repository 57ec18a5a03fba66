import { runExample } from '../../scripts/run-example.ts'

// As `npm run example` does, but with another place for "the Redis of this machine": tests never touch port 6379.
const [localPort, name] = process.argv.slice(2)
await runExample(name, process.env, Number(localPort))
