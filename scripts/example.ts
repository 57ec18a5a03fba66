import { runExample } from './run-example.ts'

await runExample(process.argv[2], process.env)
