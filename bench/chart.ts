import * as echarts from 'echarts'

/** Bars side by side: one group for each label, one bar in it for each series. */
export interface BarChart {
  readonly title: string
  /** What the numbers are, such as `requests per second`. */
  readonly unit: string
  readonly labels: readonly string[]
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[]
}

/** Lines over one axis, which may be logarithmic. */
export interface LineChart {
  readonly title: string
  readonly unit: string
  /** What is along the horizontal axis. */
  readonly along: string
  readonly logarithmic?: boolean
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[]
}

const WIDTH = 900
// Told apart by those who see few colours too (Okabe and Ito), and on a dark page as on a light one.
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#999999']
const STYLE = {
  animation: false,
  color: COLOURS,
  backgroundColor: '#ffffff',
  textStyle: { fontFamily: 'sans-serif' },
}

/** Horizontal bars, so that labels can be read. */
export function barChart({ title, unit, labels, series }: BarChart): string {
  const height = 110 + labels.length * (14 + 16 * series.length)
  return draw(height, {
    ...heading(title, series),
    grid: { left: 10, right: 70, top: series.length > 1 ? 70 : 45, bottom: 35, containLabel: true },
    xAxis: { type: 'value', name: unit, nameLocation: 'middle', nameGap: 28 },
    // From the top down, as they are listed.
    yAxis: { type: 'category', data: [...labels], inverse: true, axisTick: { show: false } },
    series: series.map(({ name, values }) => ({
      type: 'bar',
      name,
      data: values.map((value) => value ?? '-'),
      barMaxWidth: 16,
      label: { show: true, position: 'right', formatter: ({ value }: { value: unknown }) => shown(value) },
    })),
  })
}

export function lineChart({ title, unit, along, logarithmic = false, series }: LineChart): string {
  return draw(420, {
    ...heading(title, series),
    grid: { left: 20, right: 40, top: 70, bottom: 40, containLabel: true },
    xAxis: { type: logarithmic ? 'log' : 'value', name: along, nameLocation: 'middle', nameGap: 28 },
    yAxis: { type: 'value', name: unit },
    series: series.map(({ name, points }) => ({ type: 'line', name, data: points.map((point) => [...point]) })),
  })
}

function heading(title: string, series: readonly object[]) {
  return {
    title: { text: title, left: 10, top: 8, textStyle: { fontSize: 15 } },
    ...(series.length > 1 && { legend: { top: 36, left: 10 } }),
  }
}

function draw(height: number, own: object): string {
  const option: object = { ...STYLE, ...own }
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  try {
    chart.setOption(option as never)
    return `${stable(chart.renderToSVGString())}\n`
  } finally {
    chart.dispose()
  }
}

/** Of two drawings of the same numbers the names of classes and clip paths differ, which the library counts up. */
function stable(svg: string): string {
  const names = new Map<string, string>()
  return svg.replaceAll(/zr\d+-(c|cls-|g|p|s)?(\d+)/g, (name) => {
    let own = names.get(name)
    if (own === undefined) {
      own = `zr-${names.size}`
      names.set(name, own)
    }
    return own
  })
}

function shown(value: unknown): string {
  return typeof value === 'number' ? value.toLocaleString('en-GB', { maximumSignificantDigits: 3 }) : ''
}
