/** The page: what the feed shows, laid out, and what a person may choose. */

import { useCallback, useRef, useState, useSyncExternalStore } from 'react';
import { RANGES, type View } from '../address';
import type { Feed, FeedState } from '../feed/feed';
import type { Frames } from '../feed/frames';
import { METRICS, type Metric } from '../metrics';
import { Alerts } from './Alerts';
import { Card } from './Card';
import { Chart } from './Chart';
import { Funnel } from './Funnel';
import { Geography } from './Geography';
import { Header } from './Header';
import { Health } from './Health';
import { Help } from './Help';
import { useKeys } from './keys';
import { Panel } from './Panel';
import { Ranking } from './Ranking';
import { useAcknowledged } from './useAcknowledged';
import { useTheme } from './useTheme';
import { useView } from './useView';
import { Visits } from './Visits';

interface Props {
  readonly feed: Feed;
  readonly frames: Frames<FeedState>;
  readonly first: View;
}

export function App({ feed, frames, first }: Props) {
  const { site, complaint } = useSyncExternalStore(frames.subscribe, frames.shown);
  const { view, recent, choose } = useView(first, feed);
  const [paused, setPaused] = useState(false);
  const [theme, switchTheme] = useTheme();
  const [acknowledged, acknowledge] = useAcknowledged();
  const picker = useRef<{ open(): void }>(null);
  const help = useRef<{ toggle(): void }>(null);
  const metric = METRICS.find(({ key }) => key === view.metric) as Metric;

  const pause = (on: boolean) => {
    frames.pause(on);
    setPaused(on);
  };
  const chooseMetric = useCallback((chosen: Metric) => choose({ metric: chosen.key }), [choose]);
  const chooseSite = (name: string) => {
    choose({ site: name });
    pause(false);
  };
  const moveRange = (by: number) => {
    const range = RANGES[RANGES.indexOf(view.range) + by];
    if (range) choose({ range });
  };
  useKeys({
    ...Object.fromEntries(METRICS.map((each, index) => [index + 1, () => chooseMetric(each)])),
    '[': () => moveRange(-1),
    ']': () => moveRange(1),
    s: () => picker.current?.open(),
    p: () => pause(!paused),
    a: () => acknowledge(site.alerts),
    t: switchTheme,
    f: switchFullScreen,
    '?': () => help.current?.toggle(),
  });

  return (
    <>
      <Header
        newest={frames.newest}
        site={view.site}
        recent={recent}
        paused={paused}
        theme={theme}
        picker={picker}
        onSite={chooseSite}
        onPause={() => pause(!paused)}
        onTheme={switchTheme}
        onRetry={() => feed.connect()}
      />
      <main>
        <div className="cards">
          {METRICS.map((each, index) => (
            <Card
              key={each.key}
              metric={each}
              samples={site.series[each.key]}
              open={site.current[each.key]}
              chosen={each === metric}
              shortcut={index + 1}
              onChoose={chooseMetric}
            />
          ))}
        </div>
        <Chart
          metric={metric}
          site={site}
          complaint={complaint}
          range={view.range}
          theme={theme}
          onRange={(range) => choose({ range })}
        />
        <Alerts
          alerts={site.alerts}
          lost={site.alertsLost}
          known={site.at > 0}
          acknowledged={acknowledged}
          onAcknowledge={acknowledge}
        />
        <Funnel funnel={site.visits?.funnel} />
        <Visits key={site.name} latest={site.visits?.latest} steps={site.visits?.funnel.steps.length} />
        <Panel title="Popular content" area="content" aside={<span className="unit">views, 60 s</span>}>
          <Ranking ranking={site.lists.popularContent} unit="Page views by address" />
        </Panel>
        <Geography ranking={site.lists.geographicDistribution} />
        <Health newest={frames.newest} />
      </main>
      <Help ref={help} />
    </>
  );
}

function switchFullScreen(): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void document.documentElement.requestFullscreen();
}
