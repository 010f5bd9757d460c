/** A metric's last windows as one small line; what is not final yet is dashed. */

import { memo } from 'react';
import type { Sample } from '../feed/site';
import { POINTS } from '../series';

const WIDTH = 200;
const HEIGHT = 40;
const EDGE = 3;

export const Sparkline = memo(function Sparkline({ samples }: { samples: readonly Sample[] }) {
  const shown = samples.slice(-POINTS);
  if (shown.length < 2) return <svg className="spark" aria-hidden="true" />;
  const at = places(shown);
  const settled = shown.findLastIndex((sample) => sample.final);
  const floor = `L${at[Math.max(settled, 0)]?.[0]},${HEIGHT} L${at[0]?.[0]},${HEIGHT} Z`;
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {settled > 0 && <path className="spark-fill" d={`${path(at.slice(0, settled + 1))} ${floor}`} />}
      <path className="spark-line" d={path(at.slice(0, settled + 1))} />
      <path className="spark-line spark-early" d={path(at.slice(Math.max(settled, 0)))} />
    </svg>
  );
});

/** From the lowest to the highest value; the newest window at the right edge, each where it belongs. */
function places(samples: readonly Sample[]): [number, number][] {
  const values = samples.map((sample) => sample.value);
  const low = Math.min(...values);
  const spread = Math.max(...values) - low;
  return samples.map(({ value }, index) => {
    const height = spread ? (value - low) / spread : 0.5;
    const x = WIDTH - ((samples.length - 1 - index) * WIDTH) / (POINTS - 1);
    return [round(x), round(HEIGHT - EDGE - height * (HEIGHT - 2 * EDGE))];
  });
}

function path(points: [number, number][]): string {
  return points.map(([x, y], index) => `${index ? 'L' : 'M'}${x},${y}`).join(' ');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
