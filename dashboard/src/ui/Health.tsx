/** The pipeline as far as the gateway tells: connection, age of the data, how soon windows settle. */

import { useEffect, useState } from 'react';
import type { FeedState } from '../feed/feed';
import { newestEnd, type Sample } from '../feed/site';
import { POINTS } from '../series';
import { duration, number } from '../wording';
import { Fact } from './Fact';
import { Panel } from './Panel';
import { useNow } from './useNow';

const RATE_OVER_MS = 5_000;

export function Health({ newest }: { newest: () => FeedState }) {
  const now = useNow();
  const feed = newest();
  const end = newestEnd(feed.site);
  const open = feed.connection.kind === 'open';
  const rate = useRate(newest);
  return (
    <Panel title="Pipeline" area="health">
      <dl className="facts">
        <Fact name="Connection" value={open ? 'open' : feed.connection.kind} />
        <Fact name="Round trip" value={feed.roundTrip === null ? '–' : `${number(feed.roundTrip, 0)} ms`} />
        <Fact name="Age of data" value={end === null ? '–' : duration(Math.max(0, now + feed.skew - end) / 1_000)} />
        <Fact
          name="Final after window end"
          value={feed.site.settledAfter === null ? '–' : duration(feed.site.settledAfter / 1_000)}
        />
        <Fact name="Messages / s" value={open && rate !== null ? number(rate, 1) : '–'} />
        <Fact name="Reconnects" value={number(feed.reconnects, 0)} />
      </dl>
      <Settled samples={feed.site.series.activeUsers.slice(-POINTS)} />
    </Panel>
  );
}

/** The last 5 s windows, one box each: final or early. */
function Settled({ samples }: { samples: readonly Sample[] }) {
  const finals = samples.filter((sample) => sample.final).length;
  return (
    <figure className="windows">
      <figcaption>
        Last windows: <b>{finals}</b> final, <b>{samples.length - finals}</b> early
      </figcaption>
      <div aria-hidden="true">
        {samples.map((sample) => (
          <span key={sample.end} className={sample.final ? 'settled' : 'early'} />
        ))}
      </div>
    </figure>
  );
}

/** Return how many messages a second have come in the last seconds; null at first. */
function useRate(newest: () => FeedState): number | null {
  const [rate, setRate] = useState<number | null>(null);
  useEffect(() => {
    const known: { at: number; messages: number }[] = [];
    const timer = setInterval(() => {
      const last = { at: performance.now(), messages: newest().messages };
      known.push(last);
      const oldest = known[0] ?? last;
      if (last.at > oldest.at) setRate(((last.messages - oldest.messages) / (last.at - oldest.at)) * 1_000);
      if (last.at - oldest.at > RATE_OVER_MS) known.shift();
    }, 1_000);
    return () => clearInterval(timer);
  }, [newest]);
  return rate;
}
