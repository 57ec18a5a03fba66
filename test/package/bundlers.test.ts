import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import * as esbuild from 'esbuild'
import * as vite from 'vite'
import { type Consumer, installPacked } from '../../scripts/packed.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'

// For each entry of the package, an application that uses it is bundled with everything that it needs, and run where there
// are no packages.

const run = promisify(execFile)
const nodes = { 24: process.execPath, 22: join(import.meta.dirname, 'node22/node_modules/.bin/node') }
const samples = join(import.meta.dirname, 'consumer/bundled')

/** What the programs print, where it is not what all with a server print. */
const PRINTED: Record<string, string> = {
  index: 'true ERR_SESSION_ENDED\n',
  memory: 'views 2\nof 1 everyone\n',
  redis: 'views 2\n',
}

const BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

const { exports } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
const entries = Object.keys(exports)
  .filter((entry) => entry !== './package.json')
  .map((entry) => (entry === '.' ? 'index' : entry.slice(2)))

/** Makes one file of a program. */
type Bundler = (program: string, folder: string) => Promise<string>

const bundlers: Record<string, Bundler> = {
  async esbuild(program, folder) {
    const outfile = join(folder, 'app.mjs')
    await esbuild.build({
      entryPoints: [program],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      // The Redis clients, Express, express-session and Fastify are CommonJS that requires Node's modules. coatcheck needs none of it.
      banner: { js: BANNER },
      logLevel: 'silent',
    })
    return outfile
  },
  async "Vite's SSR build"(program, folder) {
    await vite.build({
      root: join(program, '..'),
      configFile: false,
      logLevel: 'silent',
      build: {
        ssr: program,
        outDir: folder,
        emptyOutDir: false,
        rollupOptions: { output: { entryFileNames: 'app.mjs' } },
      },
      ssr: { noExternal: true },
    })
    return join(folder, 'app.mjs')
  },
}

it('docs/production.md says what esbuild needs', () => {
  assert.ok(readFileSync(join(import.meta.dirname, '../../docs/production.md'), 'utf8').includes(`\`${BANNER}\``))
})

describe('an application in one bundle', () => {
  let consumer: Consumer
  let redis: RedisServer
  let elsewhere: string
  before(async () => {
    consumer = installPacked({
      redis: 'redis',
      ioredis: 'ioredis',
      express: 'express',
      'express-session': 'express-session',
      fastify: 'fastify',
      hono: 'hono',
      '@hono/node-server': '@hono/node-server',
    })
    cpSync(samples, join(consumer.folder, 'bundled'), { recursive: true })
    elsewhere = mkdtempSync(join(tmpdir(), 'coatcheck-bundles-'))
    redis = await startRedis()
  })
  after(async () => {
    await redis.stop()
    consumer.remove()
    rmSync(elsewhere, { recursive: true })
  })

  for (const entry of entries) {
    for (const [name, bundle] of Object.entries(bundlers)) {
      it(`runs with coatcheck${entry === 'index' ? '' : `/${entry}`}, bundled by ${name}`, async () => {
        assert.ok(existsSync(join(samples, `${entry}.mjs`)), `there is no program in ${samples} for this entry`)
        const folder = mkdtempSync(join(elsewhere, 'app-'))
        const file = await bundle(join(consumer.folder, 'bundled', `${entry}.mjs`), folder)
        const env = { PATH: process.env.PATH, REDIS_URL: redis.url }
        const options = { cwd: elsewhere, env, timeout: 60_000 }
        for (const ran of await Promise.all(Object.values(nodes).map((node) => run(node, [file], options)))) {
          assert.deepEqual([ran.stdout, ran.stderr], [PRINTED[entry] ?? 'views 1 2\n', ''])
        }
      })
    }
  }
})
