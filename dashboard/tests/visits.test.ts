import { describe, expect, it } from 'vitest';
import { rows } from '../src/funnel';
import { shortWay, wholeWay } from '../src/journey';
import { visit } from './made';

const steps = (...values: number[]) => values.map((value, index) => ({ key: `/${index}`, value }));

describe('the funnel', () => {
  it('tells how many reached a step, of those at the first, and how many went no further', () => {
    const [first, second, last] = rows([...steps(80, 60), { key: 'CONVERSION', value: 15 }]);
    expect(first).toEqual({ name: '/0', count: 80, share: 1, lost: { count: 20, share: 0.25 } });
    expect(second).toEqual({ name: '/1', count: 60, share: 0.75, lost: { count: 45, share: 0.75 } });
    expect(last).toEqual({ name: 'Conversion', count: 15, share: 0.1875, lost: null });
  });

  it('has no shares when nobody started', () => {
    expect(rows(steps(0, 0)).map(({ share, lost }) => [share, lost?.share])).toEqual([
      [null, 0],
      [null, undefined],
    ]);
  });
});

/** A visit of so many pages; the gateway tells the first ten. */
function way(pages: number) {
  const path = Array.from({ length: pages }, (_, page) => `/${page}`);
  const [entryPage = null, exitPage = null] = [path[0], path.at(-1)];
  return visit('a', { pageViews: pages, path: path.slice(0, 10), entryPage, exitPage });
}

describe('a way through the site', () => {
  it.each([
    [0, []],
    [1, ['/0']],
    [2, ['/0', '/1']],
    [3, ['/0', '…', '/2']],
    [40, ['/0', '…', '/39']],
  ])('of %i pages is short', (pages, short) => {
    expect(shortWay(way(pages))).toEqual(short);
  });

  it('is told in full as far as it is known, then how much is missing, and its end', () => {
    expect(wholeWay(way(10)).slice(-2)).toEqual(['/8', '/9']);
    expect(wholeWay(way(11)).slice(-2)).toEqual(['/9', '/10']);
    expect(wholeWay(way(40)).slice(-3)).toEqual(['/9', 29, '/39']);
  });
});
