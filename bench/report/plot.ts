// Plot: lines over two logarithmic axes as SVG, in light or dark.
//
// Written by hand: the plotting libraries for Node need a DOM of their own or bring megabytes, for
// two drawings of a dozen points each (docs/ARCHITECTURE.md).

export interface Series {
  name: string;
  /** Drawn stronger: what the page is about. */
  own?: boolean;
  points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  title: string;
  xLabel: string;
  yLabel: string;
  /** Where ticks stand on the x axis, by the value (above 0) and its text. */
  xTicks: readonly (readonly [at: number, text: string])[];
  /** "0.1 ms" for 0.1. */
  yText(value: number): string;
  series: readonly Series[];
}

export type Theme = "light" | "dark";

const COLOURS = {
  light: {
    paper: "#ffffff",
    ink: "#1f2328",
    faint: "#d1d9e0",
    lines: [
      ...["#0550ae", "#bc4c00", "#8250df", "#116329"],
      ...["#7a6a00", "#a40e26", "#57606a", "#cc0088", "#0a8288"],
    ],
  },
  dark: {
    paper: "#0d1117",
    ink: "#e6edf3",
    faint: "#30363d",
    lines: [
      ...["#79c0ff", "#ffa657", "#d2a8ff", "#7ee787"],
      ...["#eadb3a", "#ff7b72", "#8b949e", "#ff4fd0", "#2bd4c8"],
    ],
  },
} as const;

/**
 * The mark of each line's points, a path around 0,0: two that lie on each other are both seen, and
 * whoever can't tell two colours can tell these. The first is filled, the others are outlines.
 */
const MARKS = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
  "M-3.5 -3.5h7v7h-7z",
  "M0 -5l5 5l-5 5l-5 -5z",
  "M0 -5l5 8.5h-10z",
  "M0 5l5 -8.5h-10z",
  "M-4 -4l8 8M4 -4l-8 8",
  "M-5.5 0h11M0 -5.5v11",
  "M-4.5 -4.5v9l9 -9v9z",
];

const [WIDTH, HEIGHT] = [860, 420];
const BOX = { left: 84, right: 540, top: 50, bottom: 360 };
/** How a name at the right edge is led to a line that ends before it. */
const DOTS = 'stroke-dasharray="1 4" fill="none"';
/** Distance of two names at the right edge, so that they can be read. */
const NAME_STEP = 17;

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

type Scale = (value: number) => number;

/** From a logarithmic range to a range of pixels. */
function scale(from: number, to: number, begin: number, end: number): Scale {
  const [low, high] = [Math.log10(from), Math.log10(to)];
  return (value) => begin + ((Math.log10(value) - low) / (high - low)) * (end - begin);
}

function number(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Powers of ten that enclose all values. */
function decades(values: readonly number[]): number[] {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
}

/** Moves names apart that would lie over each other: from top to bottom. */
function apart(ys: readonly number[]): number[] {
  const order = ys.map((y, at) => ({ y, at })).sort((a, b) => a.y - b.y);
  for (let i = 1; i < order.length; i++)
    order[i]!.y = Math.max(order[i]!.y, order[i - 1]!.y + NAME_STEP);
  const over = order.length ? Math.max(0, order.at(-1)!.y - (BOX.bottom + NAME_STEP)) : 0;
  const out: number[] = [];
  for (const { y, at } of order) out[at] = y - over;
  return out;
}

function axes(
  plot: Plot,
  theme: Theme,
  x: (v: number) => number,
  y: (v: number) => number,
): string {
  const { ink, faint } = COLOURS[theme];
  const ticks = decades(plot.series.flatMap((one) => one.points.map(([, value]) => value)));
  const lines = ticks.map((value) => {
    const at = number(y(value));
    return (
      `<line x1="${BOX.left}" x2="${BOX.right}" y1="${at}" y2="${at}" stroke="${faint}"/>` +
      `<text x="${BOX.left - 8}" y="${at}" dy="4" text-anchor="end">${plot.yText(value)}</text>`
    );
  });
  const below = plot.xTicks.map(([value, text]) => {
    const at = number(x(value));
    const line = `<line x1="${at}" x2="${at}" y1="${BOX.bottom}" y2="${BOX.bottom + 5}"`;
    const place = `x="${at}" y="${BOX.bottom + 20}" text-anchor="middle"`;
    return `${line} stroke="${ink}"/><text ${place}>${escaped(text)}</text>`;
  });
  const middle = number((BOX.left + BOX.right) / 2);
  const { left, right, top, bottom } = BOX;
  return [
    ...lines,
    ...below,
    `<line x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="${ink}"/>`,
    `<text x="${middle}" y="${bottom + 44}" text-anchor="middle">${escaped(plot.xLabel)}</text>`,
    `<text x="8" y="${top - 10}">${escaped(plot.yLabel)}</text>`,
  ].join("\n");
}

function mark(at: number, colour: string, x: number, y: number): string {
  const look = at === 0 ? `fill="${colour}"` : 'fill="none"';
  const place = `transform="translate(${number(x)} ${number(y)})"`;
  return `<path class="mark" d="${MARKS[at]}" ${place} ${look} stroke="${colour}"/>`;
}

function line(one: Series, at: number, colour: string, x: Scale, y: Scale): string {
  const points = one.points.map(([a, b]) => `${number(x(a))},${number(y(b))}`);
  const width = one.own ? 3 : 1.6;
  const marks = one.points.map(([a, b]) => mark(at, colour, x(a), y(b)));
  const path = `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}"`;
  return `${path} stroke-width="${width}"/>${marks.join("")}`;
}

/** The drawing as a whole SVG document. */
export function svg(plot: Plot, theme: Theme): string {
  const { paper, ink, lines: palette } = COLOURS[theme];
  const series = plot.series.filter((one) => one.points.length > 0);
  if (series.length === 0) throw new Error(`nothing to draw in "${plot.title}"`);
  if (series.length > palette.length)
    throw new Error(
      `"${plot.title}" has ${series.length} lines, and there are colours for ${palette.length}`,
    );
  const ticks = decades(series.flatMap((one) => one.points.map(([, value]) => value)));
  const xs = plot.xTicks.map(([at]) => at);
  const margin = 22;
  const x = scale(Math.min(...xs), Math.max(...xs), BOX.left + margin, BOX.right - margin);
  const y = scale(ticks[0]!, ticks.at(-1)!, BOX.bottom, BOX.top);
  const ends = apart(series.map((one) => y(one.points.at(-1)![1])));
  const drawn = series.map((one, at) => {
    const colour = palette[at]!;
    const [endX, endY] = [x(one.points.at(-1)![0]), y(one.points.at(-1)![1])];
    const from = `M${number(endX + 7)} ${number(endY)}`;
    const to = `L${BOX.right + 8} ${number(ends[at]!)}`;
    const leader = `<path d="${from} ${to}" stroke="${colour}" stroke-opacity="0.5" ${DOTS}/>`;
    const weight = one.own ? ' font-weight="600"' : "";
    const place = `x="${BOX.right + 26}" y="${number(ends[at]!)}" dy="4"`;
    const name = `<text ${place} fill="${colour}"${weight}>${escaped(one.name)}</text>`;
    const key = mark(at, colour, BOX.right + 15, ends[at]!);
    return `${leader}${line(one, at, colour, x, y)}${key}${name}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" ` +
      `height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="${ink}" ` +
      `role="img" aria-label="${escaped(plot.title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="${paper}"/>`,
    `<text x="${BOX.left}" y="18" font-size="15" font-weight="600">${escaped(plot.title)}</text>`,
    axes({ ...plot, series }, theme, x, y),
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}
