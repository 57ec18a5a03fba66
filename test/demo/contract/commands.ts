import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type DemoAnswer, live } from '../visitor.ts'
import type { Scene } from './scene.ts'

/** The Redis commands that an answer lists. */
export function commands({ login, redis }: Scene): void {
  describe('the commands of an answer', () => {
    it('are what the action cost', async () => {
      const { visitor, first } = await login({ username: 'andrew' })
      const { key, session_id: id } = first
      const sent = redis() !== null
      const fields = ['username', 'andrew', 'page_views', '1', 'request_count', '1']
      const [create] = told(first, fields.length + 2)
      const { from, ...note } = JSON.parse(create?.end.pop() ?? '')
      assert.match(from, /^[0-9a-f-]{36}:\d+$/)
      assert.deepEqual(note, { type: 'created', cause: 'request', actor: null, previous: null })
      const end = [...fields, 'session:events']
      assert.deepEqual([first.commands.length, create], [1, { script: 'create', sent, begin: 'EVALSHA', end }])
      for (const word of [key, id, '15', '3600000']) assert.ok(first.commands[0]?.words.includes(word), word)
      assert.match(first.commands[0]?.words[1] ?? '', /^[0-9a-f]{40}$/)

      const load = { script: null, sent, begin: 'HGETALL', end: [key] }
      const counted = live(await visitor.post('/increment'))
      assert.deepEqual(told(counted, 2), [load, { script: 'commit', sent, begin: 'EVALSHA', end: ['page_views', '1'] }])
      const changed = live(await visitor.post('/ttl', { ttl: '20' }))
      assert.deepEqual(
        told(changed).map(({ script, begin }) => script ?? begin),
        ['HGETALL', 'commit'],
      )
      assert.ok(changed.commands[1]?.words.includes('20'))

      const again = live(await visitor.post('/login'))
      assert.deepEqual(
        told(again).map(({ script, begin }) => script ?? begin),
        ['HGETALL', 'destroy', 'create'],
      )
      const { body } = await visitor.post('/logout')
      assert.deepEqual(
        told(body).map(({ script, begin }) => script ?? begin),
        ['HGETALL', 'destroy'],
      )
    })

    it('are those of that request alone, whatever runs beside it', async () => {
      const logins = await Promise.all(Array.from({ length: 10 }, () => login()))
      await Promise.all(
        logins.map(async ({ visitor, first }) => {
          for (let i = 0; i < 5; i++) {
            const { commands } = live(await visitor.post('/increment'))
            assert.equal(commands.length, 2)
            for (const { words } of commands) assert.ok(words.includes(first.key))
          }
        }),
      )
    })
  })
}

interface Told {
  readonly script: string | null
  readonly sent: boolean
  readonly begin: string | undefined
  readonly end: string[]
}

/** The commands of an answer: labels, the first word, and the last words. */
function told({ commands }: DemoAnswer, last = 4): Told[] {
  return commands.map(({ words, script, sent }) => {
    return { script, sent, begin: words[0], end: words.slice(1).slice(-last) }
  })
}
