import { when } from './page.js'

/**
 * Shows sessions as rows. A row stays the same element as long as its session lives, so that no button is pulled away from
 * under a hand or a screen reader.
 * @param {HTMLElement} list
 * @param {{ id: string }[]} sessions in their order
 * @param {(session: any) => Row} describe
 * @typedef {{ title: string, tag: string | null, facts: [name: string, text: string, isCode?: boolean][],
 *   buttons: { name: string, label: string, press: () => void }[] }} Row
 */
export function showRows(list, sessions, describe) {
  const focused = document.activeElement
  const rows = new Map([...list.children].map((row) => [row.dataset.id, row]))
  for (const [id, row] of rows) if (!sessions.some((session) => session.id === id)) row.remove()
  sessions.forEach((session, i) => {
    const row = rows.get(session.id) ?? newRow(session.id)
    if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null)
    fill(row, describe(session))
  })
  // A row that has changed places has lost the focus on the way.
  if (focused !== document.activeElement && list.contains(focused)) focused.focus()
}

function newRow(id) {
  const row = document.createElement('li')
  row.dataset.id = id
  const text = row.appendChild(document.createElement('div'))
  text.append(document.createElement('h3'), element('dl', '', 'facts'))
  row.append(element('div', '', 'buttons'))
  return row
}

function fill(row, { title, tag, facts, buttons }) {
  const what = JSON.stringify([title, tag, facts])
  if (row.dataset.what !== what) {
    row.dataset.what = what
    row.querySelector('h3').replaceChildren(title, ...(tag === null ? [] : [' ', element('span', tag, 'tag')]))
    row.querySelector('.facts').replaceChildren(...facts.map(fact))
  }
  const bar = row.querySelector('.buttons')
  for (const [i, { name, label, press }] of buttons.entries()) {
    const button = bar.children[i] ?? bar.appendChild(element('button', name))
    button.type = 'button'
    button.setAttribute('aria-label', `${name}: ${label}`)
    button.onclick = press
  }
}

function fact([name, text, isCode = false]) {
  const pair = element('div', '', isCode && text.length > 16 ? 'wide' : '')
  const value = element('dd', isCode ? '' : text)
  if (isCode) value.append(element('code', text))
  pair.append(element('dt', name), value)
  return pair
}

/** What is told of every session. */
export function commonFacts({ address, lastActivity }) {
  return [
    ['Last used', when(lastActivity)],
    ['Network', address ?? 'not known'],
  ]
}

export function element(name, text, className = '') {
  const made = document.createElement(name)
  made.textContent = text
  if (className) made.className = className
  return made
}
