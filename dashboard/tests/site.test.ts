import { expect, it } from 'vitest';
import {
  emptySite,
  KEPT_ALERTS,
  KEPT_MS,
  newestEnd,
  withAlert,
  withMetrics,
  withPoints,
  withSnapshot,
} from '../src/feed/site';
import { alert, point, snapshot, T, users } from './made';

const blank = emptySite('default');

it('shows a window early, then final, and never an early value after the final', () => {
  const early = withMetrics(blank, users(5, 10, false));
  expect(early.series.activeUsers).toEqual([{ end: T + 5_000, value: 10, final: false }]);
  const final = withMetrics(early, users(5, 12));
  expect(final.series.activeUsers).toEqual([{ end: T + 5_000, value: 12, final: true }]);
  const repeated = withMetrics(final, users(5, 11, false));
  expect(repeated.series.activeUsers).toBe(final.series.activeUsers);
});

it('puts points that come later where they belong', () => {
  const site = withMetrics(withMetrics(blank, users(5, 1)), users(20, 4));
  const filled = withPoints(site, 'activeUsers', [point(10, 2), point(15, 3)]);
  expect(filled.series.activeUsers.map((sample) => sample.value)).toEqual([1, 2, 3, 4]);
});

it('leaves a metric alone of which the message says nothing new', () => {
  const site = withMetrics(blank, users(5, 1));
  const windows = { activeUsers: { end: T + 5_000, final: true, revision: 1 } };
  const next = withMetrics(site, { type: 'metrics', site: 'default', offset: 3, timestamp: T, windows });
  expect(next.series).toBe(site.series);
});

it('replaces all open windows at once', () => {
  const base = { type: 'metrics', site: 'default', offset: 3, timestamp: T } as const;
  const site = withMetrics(blank, { ...base, current: { activeUsers: 3, bounceRate: 0.5 } });
  expect(withMetrics(site, { ...base, current: { activeUsers: 4 } }).current).toEqual({ activeUsers: 4 });
  expect(withMetrics(site, base).current).toEqual(site.current);
});

it('keeps lists with their window', () => {
  const end = T + 60_000;
  const entries = [{ key: '/', value: 3 }];
  const windows = { popularContent: { end, final: false, revision: 1 } };
  const message = {
    type: 'metrics',
    site: 'default',
    offset: 3,
    timestamp: end,
    popularContent: entries,
    windows,
  } as const;
  expect(withMetrics(blank, message as never).lists.popularContent).toEqual({ end, final: false, entries });
});

it('forgets what is older than the longest range', () => {
  const site = withPoints(blank, 'activeUsers', [point(0, 1), point(5, 2), point(KEPT_MS / 1_000, 3)]);
  expect(site.series.activeUsers.map((sample) => sample.value)).toEqual([2, 3]);
});

it('has each alert once, the newest first, and not too many', () => {
  const late = alert('late', { timestamp: T + 600_000 });
  const site = [alert('a'), late, alert('b'), late].reduce((known, each) => withAlert(known, each, 0), blank);
  expect(site.alerts.map((each) => each.alertId)).toEqual(['late', 'b', 'a']);
  const many = Array.from({ length: 500 }, (_, index) => alert(`a${index}`));
  const full = many.reduce((known, each) => withAlert(known, each, 1), blank);
  expect(full.alerts).toHaveLength(KEPT_ALERTS);
  expect(full.alertsLost).toBe(500);
  const about = withAlert(site, alert('drop', { userId: '', timestamp: T - 1 }), 0);
  const flooded = many.reduce((known, each) => withAlert(known, each, 0), about);
  expect([flooded.alerts.length, flooded.alerts.at(-1)?.alertId]).toEqual([KEPT_ALERTS, 'drop']);
  const others = Array.from({ length: 500 }, (_, index) => alert(`s${index}`, { userId: '' }));
  expect(others.reduce((known, each) => withAlert(known, each, 0), blank).alerts).toHaveLength(KEPT_ALERTS);
});

it('takes a snapshot over what it knows, finals stay', () => {
  const site = withMetrics(blank, users(5, 12));
  const points = { activeUsers: [point(5, 11, false), point(10, 13)], popularContent: [] };
  const next = withSnapshot(site, snapshot({ points, alerts: [alert('a')], current: { activeUsers: 2 } }));
  expect(next.series.activeUsers.map((sample) => sample.value)).toEqual([12, 13]);
  expect([next.alerts.length, next.current]).toEqual([1, { activeUsers: 2 }]);
});

it('judges its age by the 5 s windows: a sliding one would hide a standstill for a minute', () => {
  expect(newestEnd(blank)).toBeNull();
  const site = withPoints(withMetrics(blank, users(5, 1)), 'conversionRate', [point(50, 0.5)]);
  expect(newestEnd(site)).toBe(T + 5_000);
});

it('tells how long after its end a window has settled', () => {
  expect(withMetrics(blank, users(5, 1, false)).settledAfter).toBeNull();
  expect(withMetrics(blank, users(5, 1, true, { timestamp: T + 7_300 })).settledAfter).toBe(2_300);
});
