import assert from 'node:assert/strict'
import { it } from 'node:test'
import { startSearchingDemo } from './demo-process.ts'
import { live, Visitor } from './visitor.ts'

it('with --secure the cookie is a __Host- cookie', { timeout: 30_000 }, async (t) => {
  const demo = await startSearchingDemo(['--port', '0', '--secure'], { env: { PATH: '/nowhere' } })
  t.after(demo.stop)
  const visitor = new Visitor(demo.urls[0] as string)
  const { headers } = await visitor.post('/login')
  const [cookie] = headers.getSetCookie()
  const [pair, ...attributes] = (cookie ?? '').split('; ')
  assert.match(pair ?? '', /^__Host-sid=[A-Za-z0-9_-]{43}$/)
  assert.deepEqual(attributes.sort(), ['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure'])
  live(await visitor.get('/session'))
})
