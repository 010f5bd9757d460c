/** How uPlot draws a metric: settled windows solid, provisional ones dashed, the open window a ring. */

import type uPlot from 'uplot';
import { ceiling, type Lines } from '../series';
import { clock } from '../wording';

/** The colours of the theme that is on. */
export interface Ink {
  readonly accent: string;
  readonly wash: string;
  readonly grid: string;
  readonly text: string;
  readonly ground: string;
}

/** Return an element's colours as the canvas takes them: it knows no variables. */
export function inkOf(element: Element): Ink {
  const probe = element.appendChild(document.createElement('i'));
  const of = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const ink = {
    accent: of('--accent'),
    wash: of('--accent-wash'),
    grid: of('--line'),
    text: of('--text-faint'),
    ground: of('--panel'),
  };
  probe.remove();
  return ink;
}

export interface Frame {
  readonly ink: Ink;
  readonly width: number;
  readonly height: number;
  /** How a value reads on the axis. */
  readonly write: (value: number) => string;
  /** The point under the cursor, null when it has left. */
  readonly onPoint: (index: number | null) => void;
}

export function options({ ink, width, height, write, onPoint }: Frame): uPlot.Options {
  const font = `${Math.round(rem() * 0.7)}px Inter, system-ui, sans-serif`;
  const axis = { stroke: ink.text, font, ticks: { show: false }, grid: { stroke: ink.grid, width: 1 } };
  return {
    width,
    height,
    padding: [rem() * 0.5, rem() * 1.75, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 8, fill: ink.accent } },
    scales: { x: { time: true }, y: { range: (_, __, most) => [0, ceiling(most ?? 0)] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: rem() * 6,
        size: rem() * 1.5,
        values: (_, at) => at.map((s) => clock(s * 1_000)),
      },
      {
        ...axis,
        space: rem() * 2.5,
        size: (_, labels) => widest(labels),
        values: (_, at) => at.map((value) => short(write(value))),
      },
    ],
    series: [
      {},
      { stroke: ink.accent, width: 2, fill: ink.wash, points: { show: false } },
      { stroke: ink.accent, width: 1.5, dash: [3, 4], points: { show: false } },
      { stroke: ink.accent, width: 0, points: { show: true, size: 9, width: 1.5, fill: ink.ground } },
    ],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}

export function columns(drawn: Lines): uPlot.AlignedData {
  return [drawn.times, drawn.settled, drawn.provisional, drawn.open];
}

/** The room that labels need; at least as much as most do, so that the chart does not jump about. */
function widest(labels: string[] | null): number {
  const longest = Math.max(4, ...(labels ?? []).map((label) => label.length));
  return rem() * (0.9 + 0.42 * longest);
}

/** Ticks are round: what is after the point is nothing most of the time. */
function short(text: string): string {
  return text.replace(/\.0+(?!\d)/, '');
}

function rem(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}
