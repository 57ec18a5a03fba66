import { call } from './api.js'
import { announce, byId, setText, showProblem } from './page.js'
import { commonFacts, element, showRows } from './rows.js'
import { SessionStream } from './stream.js'

/** How often the numbers are asked for, in milliseconds. Every time costs Redis some hundred commands, however many sessions. */
const LOOK_EVERY = 5000

const stream = new SessionStream({ ended: showEnding })
let ended = false
let looks = 0

async function look() {
  if (ended || document.hidden) return
  const mine = ++looks
  const { status, body } = await call('GET', '/admin/sessions/stats')
  // A later one knows better.
  if (ended || mine !== looks) return
  if (status === 200) return show(body)
  // That the session has ended, and why, is told by the stream.
  if (status === 403) showEnding(`${body.error}.`)
  else if (status !== 401) showProblem(body.error)
}

function show({ total, guests, members, users, idle, process, recentSessions }) {
  showProblem(null)
  for (const [id, number] of Object.entries({ total, guests, members, users })) setText(id, number)
  showPairs(
    'idle',
    idle.map(({ within, sessions }) => [WORDS[within] ?? within, sessions]),
  )
  const counts = Object.entries(process).flatMap(([event, causes]) =>
    Object.entries(causes).map(([cause, number]) => [event === cause ? event : `${event}, ${cause}`, number]),
  )
  showPairs('process', counts)
  byId('process-empty').hidden = counts.length > 0
  setText('recent-count', recentSessions.length < total ? `${recentSessions.length} of ${total}` : `all ${total}`)
  const rows = byId('recent-rows')
  const hadFocus = rows.contains(document.activeElement)
  showRows(rows, recentSessions, describe)
  if (hadFocus && !rows.contains(document.activeElement)) byId('recent-title').focus()
}

const WORDS = { '1m': '1 minute', '5m': '5 minutes', '30m': '30 minutes' }

function describe(session) {
  const { id, userId, device, current } = session
  const name = session.username ?? 'no name'
  const buttons = [{ name: 'Revoke', label: `session ${id} of ${name}`, press: () => revoke(session) }]
  if (userId !== null) {
    buttons.push({ name: 'Log out everywhere', label: name, press: () => revokeUser(session) })
  }
  return {
    title: name,
    tag: current ? 'this browser' : userId === null ? 'guest' : null,
    facts: [
      ...commonFacts(session),
      ...(device === null ? [] : [['Device', device]]),
      ...(userId === null ? [] : [['User id', userId]]),
      ['Session id', id, true],
    ],
    buttons,
  }
}

function revoke({ id, username }) {
  return end(`/admin/sessions/${id}`, () => `Session of ${username ?? 'no name'} revoked.`)
}

function revokeUser({ userId, username }) {
  const path = `/admin/users/${encodeURIComponent(userId)}/sessions`
  return end(
    path,
    ({ revoked }) => `${username} logged out everywhere: ${revoked} ${revoked === 1 ? 'session' : 'sessions'}.`,
  )
}

async function end(path, news) {
  const { status, body } = await call('DELETE', path)
  if (status === 200) announce(news(body))
  else if (status !== 404 && status !== 401) showProblem(body.error)
  await look()
}

function showEnding(why) {
  ended = true
  stream.stop()
  const void_ = byId('void')
  const hadFocus = byId('recent').contains(document.activeElement)
  for (const section of document.querySelectorAll('main section')) section.hidden = section !== void_
  setText('void-why', why)
  announce(`Session ended. ${why}`)
  if (hadFocus) byId('void-title').focus()
}

function showPairs(id, pairs) {
  byId(id).replaceChildren(
    ...pairs.map(([name, number]) => {
      const pair = document.createElement('div')
      pair.append(element('dt', name), element('dd', number))
      return pair
    }),
  )
}

document.addEventListener('visibilitychange', look)
setInterval(look, LOOK_EVERY)
stream.start()
void look()
