/** The chart's panel: which metric, over which range. */

import { useMemo } from 'react';
import { minutesOf, RANGES, type Range } from '../address';
import type { SiteState } from '../feed/site';
import type { Metric } from '../metrics';
import { openWindow } from '../series';
import { LiveChart } from './LiveChart';
import { Panel } from './Panel';
import { Segments } from './Segments';

const OPTIONS = RANGES.map((range) => [range, range === 'live' ? 'Live' : `${range} min`] as const);

interface Props {
  readonly metric: Metric;
  readonly site: SiteState;
  /** What the gateway said was wrong. */
  readonly complaint: string | null;
  readonly range: Range;
  readonly theme: string;
  readonly onRange: (range: Range) => void;
}

export function Chart({ metric, site, complaint, range, theme, onRange }: Props) {
  const value = site.current[metric.key];
  const open = useMemo(() => openWindow(value, site.at, metric.step), [value, site.at, metric]);
  const choice = <Segments label="Time range" options={OPTIONS} value={range} onChoose={onRange} />;
  return (
    <Panel title={metric.label} area="chart" aside={choice}>
      {complaint && <p className="complaint">{complaint}</p>}
      <LiveChart
        metric={metric}
        samples={site.series[metric.key]}
        open={open}
        minutes={minutesOf(range)}
        theme={theme}
      />
    </Panel>
  );
}
