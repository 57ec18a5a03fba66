import { call } from './api.js'
import { announce, byId, setText, showProblem, when } from './page.js'
import { commonFacts, showRows } from './rows.js'
import { SessionStream } from './stream.js'

/** How long to wait until the server is asked again, in milliseconds. */
const RETRY = 1000

const stream = new SessionStream({ ended: (why) => showEnding('Session ended', why), changed: showDevices })
/** The user as the server knows them; `null`: nobody is logged in. */
let profile = null
let looks = 0

async function start() {
  const { status, body } = await call('GET', '/account/profile')
  if (status === 200) return showUser(body)
  if (status === 401) return showProblem(null)
  showProblem(body.error)
  setTimeout(start, RETRY)
}

byId('login').addEventListener('submit', async (event) => {
  event.preventDefault()
  const form = event.currentTarget
  const { username, password } = Object.fromEntries(new FormData(form))
  const { status, body } = await call('POST', '/account/login', { username, password, deviceId: deviceId() })
  showMistake(status === 200 ? null : (body.message ?? body.error))
  if (status !== 200) return
  byId('password').value = ''
  // Where the user wanted to go before the login came in between. The server has made sure that it is a path of this site.
  if (form.dataset.returnTo) return location.assign(form.dataset.returnTo)
  await start()
  byId('me-title').focus()
})

byId('logout').addEventListener('click', () => leave('/account/logout', 'Logged out'))
byId('logout-everywhere').addEventListener('click', () => leave('/account/logout/everywhere', 'Logged out everywhere'))
byId('logout-others').addEventListener('click', async () => {
  const { status, body } = await call('POST', '/account/logout/others')
  if (status === 200) announce(`${count(body.revoked)} logged out.`)
  else showProblem(body.error ?? body.message)
})

async function leave(path, title) {
  // Or else it would tell this tab of its own doing.
  stream.stop()
  const { status, body } = await call('POST', path)
  if (status === 200 || status === 401) return showEnding(title, 'The session and its cookie are gone.')
  showProblem(body.error)
  stream.start()
}

async function revoke({ id, device }) {
  const { status, body } = await call('DELETE', `/account/sessions/id/${id}`)
  // Gone already is as good.
  if (status === 200 || status === 404) announce(`${device ?? 'Device'} logged out.`)
  else showProblem(body.error ?? body.message)
  await showDevices()
}

function showUser(user) {
  profile = user
  byId('enter').hidden = true
  byId('me').hidden = false
  byId('devices').hidden = false
  setText('role', user.role)
  setText('me-title', user.username)
  setText('session-id', user.sessionId)
  announce(`Logged in as ${user.username}.`)
  showMistake(null)
  stream.start()
}

function showEnding(title, why) {
  const hadFocus = byId('me').contains(document.activeElement) || byId('devices').contains(document.activeElement)
  if (profile === null) return
  profile = null
  byId('me').hidden = true
  byId('devices').hidden = true
  byId('enter').hidden = false
  byId('enter').dataset.ending = title
  setText('enter-eyebrow', 'Ticket void')
  setText('enter-title', title)
  setText('enter-why', why)
  announce(`${title}. ${why}`)
  // What had the focus is gone: the reader goes on where there is something to do.
  if (hadFocus) byId('enter-title').focus()
}

async function showDevices() {
  const mine = ++looks
  const { status, body } = await call('GET', '/account/sessions')
  // That the session has ended is told by the stream, and why. A later look knows better.
  if (status !== 200 || profile === null || mine !== looks) return
  setText('device-count', count(body.sessions.length))
  const hadFocus = byId('device-rows').contains(document.activeElement)
  showRows(byId('device-rows'), body.sessions, describe)
  if (hadFocus && !byId('device-rows').contains(document.activeElement)) byId('devices-title').focus()
}

function describe(session) {
  const { device, current, createdAt, expiresAt } = session
  const title = device ?? 'A device of no known kind'
  return {
    title,
    tag: current ? 'this browser' : null,
    facts: [
      ...commonFacts(session),
      ['Logged in', when(createdAt)],
      ['Ends, if not used', when(expiresAt)],
      ['Device id', session.deviceId ?? 'none', true],
    ],
    buttons: current
      ? []
      : [{ name: 'Revoke', label: `${title}, logged in ${when(createdAt)}`, press: () => revoke(session) }],
  }
}

function showMistake(mistake) {
  byId('login-error').hidden = mistake === null
  setText('login-error', mistake ?? '')
  for (const id of ['username', 'password']) byId(id).setAttribute('aria-invalid', String(mistake !== null))
  if (mistake === null) return
  byId('password').focus()
  announce(mistake)
}

/** What this browser calls itself, always the same, so that logging in again takes the place of its session before. */
function deviceId() {
  const known = localStorage.getItem('device')
  if (known !== null) return known
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  localStorage.setItem('device', id)
  return id
}

function count(devices) {
  return devices === 1 ? '1 device' : `${devices} devices`
}

void start()
