const SCRIPTS = {
  create: 'begins the session: hash, expiry and indexes, in one step',
  commit: 'writes the change and extends the expiry, in one step',
  destroy: 'ends the session and takes it out of every index',
  touch: 'extends the expiry',
}
const WORDS = { HGETALL: 'reads the session', PTTL: 'asks for the time left' }

const byId = (id) => document.getElementById(id)

/** Shows what an action cost. @param {string} action such as `POST /login` */
export function showCommands(action, commands) {
  byId('commands-empty').hidden = true
  byId('would-be').hidden = commands.every(({ sent }) => sent)
  byId('cost').hidden = false
  byId('cost').textContent = `${action}: ${count(commands.length)}`
  byId('commands').replaceChildren(...commands.map((command, i) => item(command, commands[i + 1])))
}

/** Shows what looking costs, once a second. */
export function showLooking(commands) {
  const hint = byId('looking')
  hint.hidden = false
  hint.replaceChildren('The look at the session once a second is not counted above. It costs ')
  if (commands.length === 1) hint.append('one command, ', code(commands[0].words.join(' ')), ', ')
  else hint.append(`${count(commands.length)} `)
  hint.append('and extends nothing.')
}

function item(command, next) {
  const { words, script, sent } = command
  const element = document.createElement('li')
  const title = element.appendChild(document.createElement('p'))
  title.className = 'what'
  title.append(strong(script ? `${script}.lua` : words[0]), ` ${purpose(command, next)}`)
  if (!sent) title.append(tag('would be sent'))
  // A script that the server does not know yet is sent whole: shown as sent, but folded away.
  if (words[0] === 'EVAL') {
    const details = element.appendChild(document.createElement('details'))
    const summary = details.appendChild(document.createElement('summary'))
    summary.textContent = 'The command, with the source of the script'
    details.append(line(words))
  } else {
    element.append(line(words))
  }
  return element
}

function purpose({ words, script }, next) {
  if (next?.words[0] === 'EVAL' && next.script === script)
    return 'is called by its hash, which this Redis does not know yet'
  const what = SCRIPTS[script] ?? WORDS[words[0]] ?? ''
  return words[0] === 'EVAL' ? `is sent whole, this once: ${what}` : what
}

/** The words as one would type them into redis-cli. */
function line(words) {
  const element = document.createElement('pre')
  element.append(code(words.map(quoted).join(' ')))
  return element
}

function quoted(word) {
  return /^[^\s"'\\]+$/.test(word) ? word : JSON.stringify(word)
}

function count(n) {
  return n === 1 ? '1 command' : `${n} commands`
}

function strong(text) {
  const element = document.createElement('strong')
  element.textContent = text
  return element
}

function tag(text) {
  const element = document.createElement('span')
  element.className = 'tag'
  element.textContent = text
  return element
}

function code(text) {
  const element = document.createElement('code')
  element.textContent = text
  return element
}
