/** The middle of some numbers. */
export function median(numbers: readonly number[]): number {
  if (numbers.length === 0) throw new Error('There is no median of nothing.')
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? at(sorted, middle) : (at(sorted, middle - 1) + at(sorted, middle)) / 2
}

/** The median of what `of` makes of each round: rounds differ among each other more than two things in one round do. */
export function medianRatio(above: readonly number[], below: readonly number[]): number {
  if (above.length !== below.length) throw new Error('A ratio needs both sides in every round.')
  return median(above.map((number, i) => number / at(below, i)))
}

/** The lowest and the highest of the median ratios of so many equal parts, one after the other. */
export function spread(above: readonly number[], below: readonly number[], parts: number): [number, number] {
  const size = above.length / parts
  if (!Number.isInteger(size)) throw new Error('The parts must be equal.')
  const ratios = Array.from({ length: parts }, (_, part) => {
    const [begin, end] = [part * size, (part + 1) * size]
    return medianRatio(above.slice(begin, end), below.slice(begin, end))
  })
  return [Math.min(...ratios), Math.max(...ratios)]
}

/** In another order, by chance. */
export function shuffled<T>(items: readonly T[], random: () => number = Math.random): T[] {
  const left = [...items]
  const order: T[] = []
  while (left.length > 0) order.push(...left.splice(Math.floor(random() * left.length), 1))
  return order
}

/** As people read it: three digits that say something, thousands apart. */
export function figure(number: number): string {
  const size = Math.abs(number)
  if (size >= 1000) return Math.round(Number(number.toPrecision(3))).toLocaleString('en-GB')
  return size >= 100 ? number.toFixed(0) : size >= 10 ? number.toFixed(1) : number.toFixed(2)
}

/** A table in Markdown. The first column is text, all others are numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, i) => (i === 0 ? '---' : '--:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function at(numbers: readonly number[], place: number): number {
  return numbers[place] as number
}
