import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chooseRedis } from '../demo/choose-redis.ts'
import { DemoError } from '../demo/demo-error.ts'
import { parentGone } from '../demo/parent-gone.ts'
import { redisAddress } from '../demo/redis-address.ts'

const ROOT = join(import.meta.dirname, '..')

/**
 * Runs an example in this process: `npm run example -- express`. Examples import `coatcheck/…` as applications do; here that is
 * `src/`, so that nothing has to be built. Where there is no Redis, a private one is started. Sets the exit code.
 * @param localPort where a Redis of this machine is looked for when `REDIS_URL` names none
 */
export async function runExample(name = '', env: NodeJS.ProcessEnv, localPort = 6379): Promise<void> {
  try {
    const names = exampleNames()
    if (!names.includes(name)) throw new DemoError(`Which one? npm run example -- ${names.join(' | ')}`)
    env.REDIS_URL = await findRedis(env.REDIS_URL, localPort)
  } catch (error) {
    if (!(error instanceof DemoError)) throw error
    console.error(error.message)
    process.exitCode = 1
    return
  }
  // Here, by plain http, browsers may drop a cookie that is `Secure`.
  env.NODE_ENV ??= 'development'
  importFromSource()
  void Promise.race([once(process, 'SIGINT'), parentGone()]).then(() => process.kill(process.pid, 'SIGTERM'))
  await import(pathToFileURL(join(ROOT, 'examples', name, 'main.ts')).href)
}

function exampleNames(): string[] {
  const entries = readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}

/** @throws DemoError */
async function findRedis(named: string | undefined, localPort: number): Promise<string> {
  const redis = await chooseRedis({
    asked: named ? redisAddress('REDIS_URL', { url: named }) : null,
    local: redisAddress('localhost', { host: 'localhost', port: localPort }),
    say: (line) => console.log(line),
  })
  if (redis === null) {
    throw new DemoError(
      `There is no Redis at localhost:${localPort}, and none is installed that could be started. Install redis-server, or ` +
        'name a Redis: REDIS_URL=redis://…',
    )
  }
  redis.unref()
  return redis.url
}

/** What the package exports, by the names by which it is imported: from the sources. */
function importFromSource(): void {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const sources = new Map<string, string>()
  for (const [key, { default: built }] of Object.entries<{ default?: string }>(exports)) {
    if (built === undefined) continue
    const source = built.replace('./dist/', './src/').replace(/js$/, 'ts')
    sources.set(key.replace('.', name), pathToFileURL(join(ROOT, source)).href)
  }
  registerHooks({ resolve: (specifier, context, next) => next(sources.get(specifier) ?? specifier, context) })
}
