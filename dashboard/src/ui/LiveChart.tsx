/** The chosen metric over time: the last 20 windows, or the last minutes with what the history knows. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Sample } from '../feed/site';
import type { Metric } from '../metrics';
import { lines, type OpenWindow, within } from '../series';
import { clock } from '../wording';
import { columns, inkOf, options } from './plot';
import { useSize } from './useSize';

interface Props {
  readonly metric: Metric;
  readonly samples: readonly Sample[];
  readonly open: OpenWindow | null;
  /** null: the last 20 windows. */
  readonly minutes: number | null;
  /** Another value means other colours. */
  readonly theme: string;
}

export function LiveChart({ metric, samples, open, minutes, theme }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const { width, height } = useSize(box);
  const drawn = useMemo(() => lines(within(samples, minutes), open, metric.step), [samples, open, minutes, metric]);
  const empty = !samples.length;
  const newest = useRef(drawn);
  newest.current = drawn;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme is read from the element's style
  useLayoutEffect(() => {
    if (!box.current || !width || !height || empty) return;
    const frame = { ink: inkOf(box.current), width, height, write: metric.write, onPoint: setPointed };
    plot.current = new uPlot(options(frame), columns(newest.current), box.current);
    return () => {
      plot.current?.destroy();
      plot.current = null;
    };
  }, [width, height, metric, theme, empty]);

  useEffect(() => plot.current?.setData(columns(drawn)), [drawn]);

  return (
    <>
      <p className="readout">{readout(empty ? null : pointed, drawn, metric)}</p>
      <div className="plot" ref={box} role="img" aria-label={`${metric.label} over time`}>
        {empty && <div className="skeleton plot-skeleton" />}
      </div>
    </>
  );
}

function readout(index: number | null, drawn: ReturnType<typeof lines>, metric: Metric): string {
  const at = index === null ? undefined : drawn.times[index];
  if (index === null || at === undefined) return metric.meaning;
  const [settled, early, open] = [drawn.settled[index], drawn.provisional[index], drawn.open[index]];
  const value = settled ?? early ?? open;
  if (value === null || value === undefined) return `${clock(at * 1_000)}  no window`;
  const state = typeof settled === 'number' ? 'final' : typeof early === 'number' ? 'early' : 'still open';
  return `${clock(at * 1_000)}  ${metric.write(value)}  ${state}`;
}
