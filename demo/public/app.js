import { look, send } from './api.js'
import { showCommands, showLooking } from './commands.js'
import { Countdown } from './countdown.js'
import { showHash, showNoHash } from './hash.js'

/** How often the session is looked at, in milliseconds. Looking does not extend it. */
const LOOK_EVERY = 1000

const byId = (id) => document.getElementById(id)
const countdown = new Countdown(lookNow)

/** The session as last seen; `null`: none. */
let session = null
/** Grows with every action that begins or ends, so that an answer older than that is not shown. */
let turn = 0
let acting = 0
let looks = 0
let looking = false

const ENDINGS = {
  'No active session': {
    eyebrow: 'No ticket',
    title: 'Start a session',
    why: 'You have no cookie, and the store knows nothing of you.',
    hash: 'Nothing. Without a cookie, a visitor costs no command and no memory.',
  },
  'Session expired': {
    eyebrow: 'Ticket void',
    title: 'Session expired',
    why: 'No action came in time. The browser still has its cookie; it opens nothing any more.',
    hash: 'Nothing any more: when its time was up, the key was deleted.',
  },
  'Logged out': {
    eyebrow: 'Ticket handed in',
    title: 'Logged out',
    why: 'The key is deleted, and the browser’s cookie with it.',
    hash: 'Nothing any more: the logout deleted the key.',
  },
}

for (const id of ['login', 'increment', 'ttl', 'logout']) {
  byId(id).addEventListener('submit', (event) => {
    event.preventDefault()
    void act(event.currentTarget)
  })
}

async function act(form) {
  const mine = ++turn
  acting++
  const answer = await send(form)
  acting--
  if (mine !== turn) return
  turn++
  const { status, body } = answer
  showMistake(form, status === 400 ? body.error : null)
  if (status === 400) return
  if (status === 200) {
    showProblem(null)
    showCommands(`POST ${form.getAttribute('action')}`, body.commands)
  }
  if (status === 200 && body.authenticated) {
    looks = 0
    const isNew = session === null
    showSession(body)
    if (isNew) byId('live-title').focus()
    announce(NEWS[form.id](body))
  } else if (status === 200) {
    showEnding('Logged out')
  } else {
    showFailure(answer)
  }
}

const NEWS = {
  login: ({ session: { username }, configured_ttl }) =>
    `Session of ${username} started. It expires after ${configured_ttl} seconds without an action.`,
  increment: ({ session: { page_views } }) => `Page views: ${page_views}. The time starts anew.`,
  ttl: ({ configured_ttl }) => `The time to live is now ${configured_ttl} seconds.`,
}

async function lookNow() {
  // During an action, a look might see what has come of it before the action's own answer is here.
  if (looking || acting > 0 || document.hidden) return
  looking = true
  const at = turn
  const answer = await look()
  looking = false
  if (at !== turn) return
  if (answer.status !== 200) return showFailure(answer)
  showProblem(null)
  const same = session?.session.last_accessed_at === answer.body.session.last_accessed_at
  looks = same ? looks + 1 : 0
  showSession(answer.body)
  showLooking(answer.body.commands)
}

function showSession(seen) {
  const isOther = session?.session_id !== seen.session_id
  session = seen
  byId('begin').hidden = true
  byId('live').hidden = false
  setText('live-title', text(seen.session.username))
  setText('session-id', seen.session_id)
  setText('page-views', seen.session.page_views)
  setText('watched', watched())
  if (isOther) byId('new-ttl').value = seen.configured_ttl
  countdown.set(seen.ttl, seen.configured_ttl)
  showHash(seen)
}

function watched() {
  if (looks === 0) return 'This page looks at the session once a second.'
  const times = looks === 1 ? 'once' : `${looks} times`
  return `Looked at ${times} since the last action, and not extended by it.`
}

/** The session has ended, or there is none. */
function showEnding(error) {
  const ending = ENDINGS[error]
  const hadFocus = byId('live').contains(document.activeElement)
  countdown.stop()
  const was = session
  session = null
  byId('live').hidden = true
  byId('begin').hidden = false
  byId('looking').hidden = true
  byId('begin').dataset.ending = error
  setText('begin-eyebrow', ending.eyebrow)
  setText('begin-title', ending.title)
  setText('begin-why', ending.why)
  showNoHash(ending.hash, was?.key)
  if (was === null) return
  announce(`${ending.title}.`)
  // What had the focus is gone: the reader goes on where there is something to do.
  if (hadFocus) byId('begin-title').focus()
}

function showFailure({ status, body }) {
  showProblem(status === 401 ? null : `${body.error.replace(/\.$/, '')}. This page keeps looking.`)
  if (status === 401) showEnding(body.error)
}

function showProblem(problem) {
  byId('problem').hidden = problem === null
  setText('problem', problem ?? '')
}

function showMistake(form, mistake) {
  const error = form.querySelector('.error')
  if (error === null) return
  error.hidden = mistake === null
  error.textContent = mistake ?? ''
  const fields = form.querySelectorAll('input')
  for (const input of fields) {
    const wrong = mistake?.includes(input.name === 'ttl' ? 'TTL' : 'user name') ?? false
    input.setAttribute('aria-invalid', String(wrong))
    if (wrong) input.focus()
  }
  if (mistake !== null) announce(mistake)
}

/** Stored strings that look like JSON are in quotes; a name is shown without. */
function text(stored) {
  return stored.startsWith('"') ? JSON.parse(stored) : stored
}

function announce(news) {
  setText('status', news)
}

function setText(id, value) {
  const element = byId(id)
  if (element.textContent !== value) element.textContent = value
}

// A session may have begun or ended in another tab.
document.addEventListener('visibilitychange', lookNow)
window.addEventListener('focus', lookNow)
setInterval(() => {
  // Without a session there is nothing to look at, unless the last look failed.
  if (session !== null || !byId('problem').hidden) void lookNow()
}, LOOK_EVERY)
void lookNow()
