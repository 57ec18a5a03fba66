// The server answers within its own deadline of a second for the store, whatever happens.
const PATIENCE = 5000

/**
 * What the server answered: the HTTP status (0: no answer at all) and the JSON.
 * @typedef {{ status: number, body: any }} Answer
 */

/** Looks at the session, without extending it. */
export function look() {
  return call('GET', '/session')
}

/** Sends a form as a browser would. */
export function send(form) {
  return ask(form.getAttribute('action'), { method: 'POST', body: new URLSearchParams(new FormData(form)) })
}

/** Sends JSON, or nothing. @param {object} [json] @returns {Promise<Answer>} */
export function call(method, path, json) {
  const body = json && { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }
  return ask(path, { method, cache: 'no-store', ...body })
}

async function ask(path, options) {
  try {
    const response = await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE) })
    return { status: response.status, body: await response.json() }
  } catch {
    return { status: 0, body: { error: 'The demo server does not answer' } }
  }
}
