const WIDTH = 900
const LABEL_WIDTH = 360
const BAR = { height: 16, step: 22 }
const TITLE_HEIGHT = 40
const FIGURE_WIDTH = 90
const COLOURS = {
  service: '#2f6f9f',
  limit: '#b0b7bd',
  peer: '#c98f5f',
  small: '#8fbfdc',
  middle: '#4f93be',
  large: '#1f5679',
}

const escaped = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const figure = (value) => Math.round(value).toLocaleString('en')

/** Bars as SVG: requests per second, and the cost of one request as days and records grow. */
export function plot({ load, growth }) {
  const panels = [
    ...(load
      ? [{ title: 'Requests per second', bars: load.filter(({ skipped }) => !skipped).map(speedBar) }]
      : []),
    ...(growth ? [{ title: 'CPU µs of one request', bars: growth.flatMap(growthBars) }] : []),
  ].map((panel) => ({ ...panel, bars: panel.bars.filter(({ value }) => value !== null) }))
  let height = 0
  const drawn = panels.map((panel) => {
    const top = height
    height += TITLE_HEIGHT + panel.bars.length * BAR.step
    return drawPanel(panel, top)
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height + BAR.step}" font-family="sans-serif" font-size="12">
<title>Requests per second of each operation, and the cost of one request</title>
<rect width="100%" height="100%" fill="white"/>
${drawn.join('\n')}
</svg>
`
}

const speedBar = ({ title, kind, high }) => ({
  label: title,
  value: high.perSecond,
  colour: COLOURS[kind],
})

const growthBars = ({ kind, title, sizes }) =>
  sizes.map(({ size, cpuMicros }, n) => ({
    label: `${title}, ${figure(size)} ${kind}`,
    value: cpuMicros,
    colour: [COLOURS.small, COLOURS.middle, COLOURS.large][n],
  }))

/** The longest bar fills the width. */
function drawPanel({ title, bars }, top) {
  const most = Math.max(...bars.map(({ value }) => value))
  const room = WIDTH - LABEL_WIDTH - FIGURE_WIDTH
  const heading = `<text x="8" y="${top + 26}" font-size="16" font-weight="bold">${escaped(title)}</text>`
  const drawn = bars.map(({ label, value, colour }, n) => {
    const y = top + TITLE_HEIGHT + n * BAR.step
    const width = Math.max(1, (value / most) * room).toFixed(1)
    return `<text x="${LABEL_WIDTH - 8}" y="${y + 12}" text-anchor="end">${escaped(label)}</text>
<rect x="${LABEL_WIDTH}" y="${y}" width="${width}" height="${BAR.height}" fill="${colour}"/>
<text x="${LABEL_WIDTH + Number(width) + 6}" y="${y + 12}">${figure(value)}</text>`
  })
  return [heading, ...drawn].join('\n')
}
