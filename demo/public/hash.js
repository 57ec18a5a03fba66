const NOTES = {
  created_at: 'began',
  last_accessed_at: 'last action',
  session_ttl: 'seconds without an action, then it expires',
  deadline: 'latest end',
  request_count: 'requests so far',
}
const INSTANTS = new Set(['created_at', 'last_accessed_at', 'deadline'])

const format = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
})

const byId = (id) => document.getElementById(id)

/** Shows the key and the fields of a session. */
export function showHash(seen) {
  byId('hash').hidden = false
  byId('hash-empty').hidden = true
  byId('hash-gone').hidden = true
  byId('key').textContent = seen.key
  byId('pttl').textContent = `${Math.round(seen.ttl * 1000)} ms`
  showFields(seen.session)
}

/** Shows that there is no session, and which key is gone. */
export function showNoHash(why, key) {
  byId('hash').hidden = true
  byId('fields').replaceChildren()
  byId('hash-empty').hidden = false
  byId('hash-empty').textContent = why
  byId('hash-gone').hidden = key === undefined
  document.querySelector('#hash-gone code').textContent = key ?? ''
}

/** Rows stay where they are and change in place, so that a selection or a screen reader is not thrown out every second. */
function showFields(fields) {
  const table = byId('fields')
  const rows = new Map([...table.rows].map((row) => [row.dataset.field, row]))
  const names = Object.keys(fields)
  for (const [name, row] of rows) if (!names.includes(name)) row.remove()
  for (const name of names) {
    const row = rows.get(name) ?? table.appendChild(newRow(name))
    const value = row.querySelector('code.value')
    if (value.textContent === fields[name]) continue
    const isNew = !rows.has(name)
    value.textContent = fields[name]
    row.querySelector('small').textContent = note(name, fields[name])
    if (!isNew) flash(row)
  }
}

function newRow(name) {
  const row = document.createElement('tr')
  row.dataset.field = name
  const head = row.appendChild(document.createElement('th'))
  head.scope = 'row'
  head.append(code(name))
  const cell = row.appendChild(document.createElement('td')).appendChild(document.createElement('div'))
  cell.className = 'cell'
  cell.append(code('', 'value'), document.createElement('small'))
  return row
}

function note(name, value) {
  const what = NOTES[name] ?? 'the application’s own field'
  return INSTANTS.has(name) ? `${format.format(Number(value))} · ${what}` : what
}

function flash(row) {
  row.classList.remove('changed')
  // Read between the two, so that the animation starts again.
  void row.offsetWidth
  row.classList.add('changed')
}

function code(text, className = '') {
  const element = document.createElement('code')
  element.textContent = text
  if (className) element.className = className
  return element
}
