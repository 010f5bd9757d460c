/** One number of the site: its newest ended window, how it moved, and the window that is still open. */

import { memo } from 'react';
import { change } from '../change';
import type { Sample } from '../feed/site';
import type { Metric } from '../metrics';
import { POINTS } from '../series';
import { Sparkline } from './Sparkline';

interface Props {
  readonly metric: Metric;
  readonly samples: readonly Sample[];
  readonly open: number | undefined;
  readonly chosen: boolean;
  readonly shortcut: number;
  readonly onChoose: (metric: Metric) => void;
}

export const Card = memo(function Card({ metric, samples, open, chosen, shortcut, onChoose }: Props) {
  const last = samples.at(-1);
  const moved = change(samples.slice(-POINTS), metric);
  return (
    <button
      type="button"
      className="card"
      data-metric={metric.key}
      aria-pressed={chosen}
      aria-keyshortcuts={String(shortcut)}
      title={`${metric.meaning}. Key ${shortcut} shows it on the chart.`}
      onClick={() => onChoose(metric)}
    >
      <span className="card-head">
        <span className="card-label">{metric.label}</span>
        <span className="card-window">{metric.window}</span>
        {moved && (
          <span className={`change change-${moved.tone}`} title="against the mean of the windows before">
            {moved.text}
          </span>
        )}
      </span>
      {last ? (
        <span className={`card-value ${last.final ? 'settled' : 'early'}`} data-end={last.end} data-final={last.final}>
          {metric.write(last.value)}
        </span>
      ) : (
        <span className="card-value">
          <span className="skeleton" />
        </span>
      )}
      <span className="card-open">
        {last ? (
          <>
            now <b>{open === undefined ? '–' : metric.write(open)}</b>
          </>
        ) : (
          'no data yet'
        )}
      </span>
      <Sparkline samples={samples} />
    </button>
  );
});
