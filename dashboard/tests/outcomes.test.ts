import { expect, it } from 'vitest';
import type { MetricsMessage, Point } from '../src/feed/messages';
import { emptySite, KEPT_OUTCOMES, withMetrics, withSnapshot } from '../src/feed/site';
import { eventsPerSecond, outcomes, seconds } from '../src/outcomes';
import { snapshot, T } from './made';

const blank = emptySite('default');

/** A window that ends so many seconds after T, with so many events of each outcome. */
function point(end: number, counts: Record<string, number>): Point {
  const dimensions = Object.entries(counts).map(([key, value]) => ({ key, value }));
  return { windowEnd: T + end * 1_000, value: 0, final: true, dimensions };
}

function message({ windowEnd, dimensions }: Point, earlier: readonly Point[] = []): MetricsMessage {
  return {
    type: 'metrics',
    site: 'default',
    offset: 2,
    timestamp: windowEnd + 2_500,
    eventsByOutcome: dimensions ?? [],
    windows: { eventsByOutcome: { end: windowEnd, final: true, revision: 1 } },
    earlier: { eventsByOutcome: [...earlier] },
  };
}

it('adds up what became of the events, each window once however often it is told', () => {
  const points = { eventsByOutcome: [point(5, { accepted: 90, late: 4 }), point(10, { accepted: 100 })] };
  const first = withSnapshot(blank, snapshot({ points }));
  const again = withMetrics(first, message(point(20, { accepted: 50, duplicate: 7 }), [point(10, { accepted: 100 })]));
  const { outcomes: windows } = withMetrics(again, message(point(20, { accepted: 50, duplicate: 7 }), [point(15, {})]));
  expect(windows.map((window) => window.end)).toEqual([5, 10, 15, 20].map((end) => T + end * 1_000));
  expect(seconds(windows)).toBe(20);
  expect(outcomes(windows)).toEqual([
    { name: 'Accepted', count: 240 },
    { name: 'Duplicates', count: 7 },
    { name: 'Late', count: 4 },
    { name: 'Not decodable', count: 0 },
    { name: 'Invalid field', count: 0 },
    { name: 'In the future', count: 0 },
  ]);
  expect(again.lists).toEqual({});
});

it('tells the events a second of the newest window, whatever became of them', () => {
  expect(eventsPerSecond([])).toBeNull();
  const site = withMetrics(blank, message(point(10, { accepted: 90, late: 10 }), [point(5, { accepted: 5 })]));
  expect(eventsPerSecond(site.outcomes)).toBe(20);
});

it('keeps as many windows as the gateway', () => {
  const points = Array.from({ length: 30 }, (_, index) => point(5 * index, { accepted: 1 }));
  const site = points.reduce((known, each) => withMetrics(known, message(each)), blank);
  expect(site.outcomes).toHaveLength(KEPT_OUTCOMES);
  expect(site.outcomes.at(-1)?.end).toBe(T + 145_000);
});
