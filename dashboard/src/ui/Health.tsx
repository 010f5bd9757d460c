/** The pipeline: how much comes, how far behind it is, what became of the events, and the way to this page. */

import { useEffect, useState } from 'react';
import type { FeedState } from '../feed/feed';
import { freshness } from '../feed/freshness';
import type { Sample } from '../feed/site';
import { eventsPerSecond } from '../outcomes';
import { POINTS } from '../series';
import { duration, number } from '../wording';
import { Fact } from './Fact';
import { Outcomes } from './Outcomes';
import { Panel } from './Panel';
import { useNow } from './useNow';

const RATE_OVER_MS = 5_000;

export function Health({ newest }: { newest: () => FeedState }) {
  const now = useNow();
  const feed = newest();
  const { outcomes, settledAfter } = feed.site;
  const end = outcomes.at(-1)?.end ?? null;
  const state = freshness(end, now + feed.skew);
  const rate = state === 'live' ? eventsPerSecond(outcomes) : null;
  const messages = useRate(newest);
  return (
    <Panel title="Pipeline" area="health">
      <dl className="facts">
        <Fact name="Events / s" value={rate === null ? '–' : number(rate, 1)} />
        <Fact
          name="Finals behind the clock"
          value={end === null ? '–' : duration(Math.max(0, now + feed.skew - end) / 1_000)}
          tone={state}
        />
        <Fact name="Final after window end" value={settledAfter === null ? '–' : duration(settledAfter / 1_000)} />
        <Fact name="Connection" value={connection(feed)} />
        <Fact name="Messages / s" value={messages === null ? '–' : number(messages, 1)} />
      </dl>
      <Outcomes windows={outcomes} />
      <Settled samples={feed.site.series.activeUsers.slice(-POINTS)} />
    </Panel>
  );
}

/** Say how the connection is: open · 9 ms · lost 2 ×. */
function connection({ connection: { kind }, roundTrip, reconnects }: FeedState): string {
  const parts = [kind, roundTrip !== null && `${number(roundTrip, 0)} ms`, reconnects > 0 && `lost ${reconnects} ×`];
  return parts.filter(Boolean).join(' · ');
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
