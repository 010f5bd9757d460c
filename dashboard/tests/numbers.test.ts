import { expect, it } from 'vitest';
import { gatewayOf, queryOf, viewOf } from '../src/address';
import { change } from '../src/change';
import type { Sample } from '../src/feed/site';
import { codeOf, placeOf } from '../src/geo/countries';
import { METRICS, type Metric } from '../src/metrics';
import { ceiling, lines, openWindow, within } from '../src/series';
import { duration, number, percent } from '../src/wording';

const samples = (...values: number[]): Sample[] =>
  values.map((value, index) => ({ end: 5_000 * (index + 1), value, final: true }));
const metric = (key: string) => METRICS.find((each) => each.key === key) as Metric;

it('writes a kind of number always with as many decimals', () => {
  expect([number(1_234.56, 1), number(3, 2), percent(0.0691), percent(1)]).toEqual([
    '1,234.6',
    '3.00',
    '6.9%',
    '100.0%',
  ]);
  expect([2.24, 59.96, 65, 7_384].map(duration)).toEqual(['2.2 s', '1 m 00 s', '1 m 05 s', '2 h 03 m']);
});

it('compares with the mean of the windows before, rates in percentage points', () => {
  expect(change(samples(8, 12, 15), metric('activeUsers'))).toEqual({ text: '▲ 50%', tone: 'good' });
  expect(change(samples(0.4, 0.5), metric('bounceRate'))).toEqual({ text: '▲ 10.0 pp', tone: 'bad' });
  expect(change(samples(10, 10), metric('activeUsers'))).toEqual({ text: '=', tone: 'even' });
  expect(change(samples(0, 3), metric('activeUsers'))?.text).toBe('▲ new');
  expect(change(samples(100, 104), metric('activeUsers'))).toEqual({ text: '▲ 4%', tone: 'even' });
  expect(change(samples(3), metric('activeUsers'))).toBeNull();
});

it('draws settled windows solid, provisional ones from the last settled one on, and breaks where windows are missing', () => {
  const known: Sample[] = [
    { end: 5_000, value: 1, final: true },
    { end: 20_000, value: 2, final: true },
    { end: 25_000, value: 3, final: false },
  ];
  expect(lines(known, { end: 30_000, value: 4 }, 5_000)).toEqual({
    times: [5, 10, 20, 25, 30],
    settled: [1, null, 2, null, null],
    provisional: [null, null, 2, 3, null],
    open: [null, null, null, null, 4],
  });
});

it('knows when the open window ends', () => {
  expect(openWindow(7, 12_345, 5_000)).toEqual({ end: 15_000, value: 7 });
  expect(openWindow(undefined, 12_345, 5_000)).toBeNull();
});

it('shows the last 20 windows, or the last minutes', () => {
  const hour = samples(...Array.from({ length: 720 }, (_, index) => index));
  expect([within(hour, null).length, within(hour, 5).length, within(hour, 60).length]).toEqual([20, 60, 720]);
});

it('scales to round numbers with room above', () => {
  expect([0, 0.09, 1, 109, 950].map(ceiling)).toEqual([1, 0.1, 1.5, 150, 1_500]);
});

it('finds countries by name and by code', () => {
  expect(['United States', 'germany', 'UK', 'br', ' France '].map(codeOf)).toEqual(['US', 'DE', 'GB', 'BR', 'FR']);
  expect(codeOf('Atlantis')).toBeNull();
  expect(placeOf('DE')).toEqual([51, 10]);
});

it('keeps what is looked at in the address', () => {
  const view = { site: 'my shop', metric: 'bounceRate', range: '15' } as const;
  expect(viewOf(queryOf(view, '?gateway=ws://elsewhere/'))).toEqual(view);
  expect(queryOf(view, '?gateway=x')).toContain('gateway=x');
  expect(viewOf('?range=7&metric=weather')).toEqual({ site: 'default', metric: 'pageViewsPerSecond', range: 'live' });
});

it('connects to where it came from', () => {
  expect(gatewayOf({ protocol: 'https:', host: 'a.example', search: '' })).toBe('wss://a.example/');
  expect(gatewayOf({ protocol: 'http:', host: '127.0.0.1:8082', search: '' })).toBe('ws://127.0.0.1:8082/');
  expect(gatewayOf({ protocol: 'https:', host: 'a.example', search: '?token=t.o.k' })).toBe(
    'wss://a.example/?token=t.o.k',
  );
  expect(gatewayOf({ protocol: 'http:', host: 'x', search: '?gateway=ws://b/' })).toBe('ws://b/');
});
