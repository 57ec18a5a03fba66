import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import compression from 'compression'
import type { Express, NextFunction, Request, Response } from 'express'
import type { Sessions } from '../../src/index.ts'
import { type Data, useBench } from '../adapter-contract.ts'
import { openExpress } from './setup.ts'
import { type Version, versions } from './versions.ts'

const bench = useBench()
const gzip = { 'accept-encoding': 'gzip' }
/** Incompressible, and far more than any buffer on the way. */
const text = randomBytes(1_500_000).toString('hex')

for (const version of versions) {
  for (const place of ['before', 'after'] as const) {
    describe(`compression mounted ${place} the sessions on ${version.name}`, () => {
      const compressed = (respond: (req: Request, res: Response, sessions: Sessions<Data>) => unknown) => {
        const compress = (app: Express) => void app.use(compression({ threshold: 0 }))
        return {
          ...(place === 'before' && { before: compress }),
          after(app: Express, sessions: Sessions<Data>) {
            if (place === 'after') compress(app)
            app.get('/', (req, res) => void respond(req, res, sessions))
          },
        }
      }

      it('leaves JSON whole', async (t) => {
        const { visitor } = await openExpress(
          t,
          bench,
          version,
          compressed((req, res, sessions) => {
            sessions.of(req).data.note = 'compressed'
            res.json({ text })
          }),
        )
        const ada = visitor()
        const reply = await ada.get('/', { headers: gzip })
        assert.equal(reply.headers['content-encoding'], 'gzip')
        assert.equal(JSON.parse(gunzipSync(reply.body).toString()).text, text)
        assert.equal((await ada.get('/seen')).json.data.note, 'compressed')
      })

      it('leaves a stream whole, with backpressure', async (t) => {
        const { visitor } = await openExpress(
          t,
          bench,
          version,
          compressed((req, res, sessions) => {
            sessions.of(req).data.note = 'streamed'
            res.type('text')
            Readable.from(parts()).pipe(res)
          }),
        )
        const ada = visitor()
        const reply = await ada.get('/', { headers: gzip })
        assert.equal(gunzipSync(reply.body).toString(), text)
        assert.equal((await ada.get('/seen')).json.data.note, 'streamed')
      })

      it('sends what is flushed, and commits what is changed later', async (t) => {
        const { visitor } = await openExpress(
          t,
          bench,
          version,
          compressed(async (req, res, sessions) => {
            sessions.of(req).data.note = 'begun'
            res.type('text').write('first ')
            ;(res as Response & { flush(): void }).flush()
            await new Promise((resolve) => setTimeout(resolve, 20))
            sessions.of(req).data.note = 'ended'
            if (!res.write('last')) await once(res, 'drain')
            res.end()
          }),
        )
        const ada = visitor()
        const reply = await ada.get('/', { headers: gzip })
        assert.equal(gunzipSync(reply.body).toString(), 'first last')
        assert.equal((await ada.get('/seen')).json.data.note, 'ended')
      })

      it('lets the refusal of a commit through', async (t) => {
        const { visitor } = await openExpress(
          t,
          bench,
          version,
          compressed((req, res, sessions) => {
            sessions.of(req).data.step = Number.NaN
            res.json({ text })
          }),
        )
        const reply = await visitor().get('/', { headers: gzip })
        const body = reply.headers['content-encoding'] === 'gzip' ? gunzipSync(reply.body).toString() : reply.text
        assert.deepEqual([reply.status, JSON.parse(body)], [500, { error: 'Internal server error' }])
      })
    })
  }

  describe(`files on ${version.name}`, () => {
    let folder: string
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'coatcheck-files-'))
      await writeFile(join(folder, 'large.txt'), text)
    })
    after(() => rm(folder, { recursive: true }))

    const openFiles = (t: Parameters<typeof openExpress>[0], v: Version) =>
      openExpress(t, bench, v, {
        after(app, sessions) {
          app.use((req, _res, next) => {
            const { data } = sessions.of(req)
            if (req.path !== '/seen') data.step = (data.step ?? 0) + 1
            next()
          })
          app.get('/file', (_req, res) => res.sendFile('large.txt', { root: folder }))
          app.use(version.express.static(folder))
        },
      })

    it('arrive whole behind a commit: sendFile and static', async (t) => {
      const { visitor } = await openFiles(t, version)
      const ada = visitor()
      for (const path of ['/file', '/large.txt']) {
        const reply = await ada.get(path)
        assert.equal(reply.headers['content-length'], `${text.length}`)
        assert.equal(reply.text, text)
      }
      assert.equal((await ada.get('/seen')).json.data.step, 2)
    })

    it('arrive in part: a Range', async (t) => {
      const { visitor } = await openFiles(t, version)
      const ada = visitor()
      const reply = await ada.get('/file', { headers: { range: 'bytes=1000-200999' } })
      assert.deepEqual([reply.status, reply.headers['content-range']], [206, `bytes 1000-200999/${text.length}`])
      assert.equal(reply.text, text.slice(1000, 201_000))
      const none = await ada.get('/file', { headers: { range: `bytes=${text.length}-` } })
      assert.equal(none.status, 416)
      // The file module answers 416 by an error, and what a failed request changed is discarded.
      assert.equal((await ada.get('/seen')).json.data.step, 1)
    })

    it('need not arrive: If-None-Match, HEAD', async (t) => {
      const { visitor } = await openFiles(t, version)
      const ada = visitor()
      const head = await ada.send('/file', { method: 'HEAD' })
      assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, `${text.length}`, ''])
      const match = await ada.get('/file', { headers: { 'if-none-match': String(head.headers.etag) } })
      assert.deepEqual([match.status, match.text], [304, ''])
      assert.equal((await ada.get('/seen')).json.data.step, 2)
    })
  })

  describe(`a middleware that sets a header at the last moment on ${version.name}`, () => {
    /** As `on-headers` does it: response-time and morgan are built so. */
    const lastMinute = (_req: unknown, res: ServerResponse, next: NextFunction) => {
      const { writeHead } = res
      res.writeHead = (...args: unknown[]) => {
        res.setHeader('X-Last', 'minute')
        return writeHead.apply(res, args as never)
      }
      next()
    }

    for (const place of ['before', 'after'] as const) {
      it(`still can, mounted ${place} the sessions`, async (t) => {
        const { visitor } = await openExpress(t, bench, version, {
          ...(place === 'before' && { before: (app) => app.use(lastMinute) }),
          after(app, sessions) {
            if (place === 'after') app.use(lastMinute)
            app.get('/', (req, res) => {
              sessions.of(req).data.step = 1
              res.send('x')
            })
            app.get('/untouched', (_req, res) => void res.send('x'))
          },
        })
        for (const path of ['/', '/untouched']) {
          const reply = await visitor().get(path)
          assert.deepEqual([reply.status, reply.headers['x-last'], reply.text], [200, 'minute', 'x'])
        }
      })
    }
  })
}

function* parts(): Generator<string> {
  for (let i = 0; i < text.length; i += 50_000) yield text.slice(i, i + 50_000)
}
