const TICK = 100
const calm = matchMedia('(prefers-reduced-motion: reduce)')

/**
 * Counts the time left down between two looks at the session. The store decides when it is over; this only shows what it
 * last said, carried on.
 */
export class Countdown {
  #timer = 0
  #ends = 0
  #total = 0
  #onZero
  #parts

  /** @param {() => void} onZero the time should be up: look whether it is */
  constructor(onZero) {
    this.#onZero = onZero
    this.#parts = {
      clock: document.getElementById('clock'),
      bar: document.getElementById('bar'),
      fill: document.querySelector('#bar .fill'),
      left: document.getElementById('left'),
      configured: document.getElementById('configured'),
    }
  }

  /** @param {number} left seconds @param {number} total seconds */
  set(left, total) {
    this.#ends = performance.now() + left * 1000
    this.#total = total
    this.#parts.configured.textContent = seconds(total)
    this.#parts.bar.setAttribute('aria-valuemax', String(total))
    if (!this.#timer) this.#timer = setInterval(() => this.#show(), TICK)
    this.#show()
  }

  stop() {
    clearInterval(this.#timer)
    this.#timer = 0
  }

  #show() {
    const left = Math.max(0, (this.#ends - performance.now()) / 1000)
    const share = Math.min(1, left / this.#total)
    const { clock, bar, fill, left: text } = this.#parts
    const whole = Math.ceil(left)
    text.textContent = left < 100 && !calm.matches ? `${left.toFixed(1)} s` : seconds(whole)
    const shown = calm.matches ? Math.min(1, whole / this.#total) : share
    fill.style.transform = `scaleX(${shown.toFixed(4)})`
    clock.classList.toggle('soon', share < 0.34 || left <= 3)
    if (bar.getAttribute('aria-valuenow') !== String(whole)) {
      bar.setAttribute('aria-valuenow', String(whole))
      bar.setAttribute('aria-valuetext', `${whole} of ${this.#total} seconds`)
    }
    if (left === 0) this.#onZero()
  }
}

function seconds(total) {
  if (total < 100) return `${total} s`
  const s = Math.round(total)
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')} min`
}
