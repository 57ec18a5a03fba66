import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { until } from '../demo-process.ts'
import { live } from '../visitor.ts'
import type { Scene } from './scene.ts'

/** `GET /` and what it brings. */
export function page({ newVisitor, login }: Scene): void {
  describe('GET /', () => {
    it('is the page, under a policy that allows no inline script or style', async () => {
      const { status, headers, raw } = await newVisitor().get('/')
      assert.equal(status, 200)
      assert.match(headers.get('content-type') ?? '', /^text\/html/)
      const policy = headers.get('content-security-policy') ?? ''
      assert.match(policy, /(?:^|; )default-src 'self'(?:;|$)/)
      assert.doesNotMatch(policy, /unsafe|script-src|style-src/)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.match(raw, /<title>coatcheck demo<\/title>/)
      assert.match(raw, / name="ttl" value="15"/)
      assert.doesNotMatch(raw, /\{\{|<script(?![^>]*src=)|<style| style=| on\w+=/)
    })

    it('brings what the page needs', async () => {
      const visitor = newVisitor()
      const { raw } = await visitor.get('/')
      const paths = [...raw.matchAll(/<(?:link|script)[^>]* (?:src|href)="(\/[^"]+)"/g)].map(
        ([, path]) => path as string,
      )
      assert.ok(paths.includes('/app.js'))
      for (const path of paths) assert.equal((await visitor.get(path)).status, 200, path)
    })

    it('neither begins nor extends a session', async () => {
      const { visitor, first } = await login({ ttl: '2' })
      // More than a twentieth of the TTL is over: an action would extend the session now.
      await until(async () => live(await visitor.get('/session')).ttl < 1.85)
      const { headers } = await visitor.get('/')
      assert.equal(headers.get('set-cookie'), null)
      const { session } = live(await visitor.get('/session'))
      assert.equal(session.last_accessed_at, first.session.last_accessed_at)
    })
  })
}
