import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Scene } from '../contract/scene.ts'
import { loggedIn, PASSWORDS } from './people.ts'

/** `GET /account`: the page. */
export function page(scene: Scene): void {
  const { newVisitor } = scene

  describe('GET /account', () => {
    it('is the page, under the same policy as the first', async () => {
      const { status, headers, raw } = await newVisitor().get('/account')
      assert.equal(status, 200)
      const policy = headers.get('content-security-policy') ?? ''
      assert.equal(policy, (await newVisitor().get('/')).headers.get('content-security-policy'))
      assert.match(raw, /<title>coatcheck demo: account<\/title>/)
      assert.doesNotMatch(raw, /\{\{|<script(?![^>]*src=)|<style| style=| on\w+=/)
    })

    it('tells the names and passwords of the accounts, and that attempts are not limited', async () => {
      const { raw } = await newVisitor().get('/account')
      for (const words of Object.entries(PASSWORDS))
        for (const word of words) assert.ok(raw.includes(`<code>${word}</code>`))
      assert.match(raw, /How often a password may be tried is up to the application/)
    })

    it('brings what it needs, and what the admin page needs', async () => {
      const visitor = await loggedIn(scene, 'admin')
      for (const path of ['/account', '/admin']) {
        const { raw } = await visitor.get(path, { accept: 'text/html' })
        const paths = [...raw.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, each]) => each as string)
        assert.ok(paths.includes(`${path}.js`))
        for (const each of paths) assert.equal((await visitor.get(each)).status, 200, each)
      }
    })

    it('takes over a way back only if it leads to this site, and as text', async () => {
      for (const [asked, given] of [
        ['/admin', '/admin'],
        ['/account?a="><script>', '/account?a=%22%3E%3Cscript%3E'],
        ["/a'b&c", '/a&#39;b&#38;c'],
        ['//evil.example', ''],
        ['https://evil.example', ''],
        ['javascript:alert(1)', ''],
      ] as const) {
        const { raw } = await newVisitor().get(`/account?return-to=${encodeURIComponent(asked)}`)
        assert.equal(/ data-return-to="([^"]*)"/.exec(raw)?.[1], given)
      }
    })

    it('is in the way from the first page and back', async () => {
      for (const path of ['/', '/account']) {
        const { raw } = await newVisitor().get(path)
        for (const other of ['/', '/account', '/admin'])
          assert.ok(raw.includes(` href="${other}"`), `${path}: ${other}`)
      }
    })
  })
}
