export const byId = (id) => document.getElementById(id)

export function setText(id, value) {
  const element = byId(id)
  if (element.textContent !== String(value)) element.textContent = value
}

/** Says something to who hears the page. */
export function announce(news) {
  setText('status', news)
}

/** @param {string | null} problem without a full stop; `null`: there is none any more */
export function showProblem(problem) {
  byId('problem').hidden = problem === null
  setText('problem', problem === null ? '' : `${problem.replace(/\.$/, '')}. This page keeps trying.`)
}

const format = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})

/** Epoch milliseconds as people read them. */
export function when(instant) {
  return format.format(instant)
}
