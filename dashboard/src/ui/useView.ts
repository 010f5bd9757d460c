/** What is looked at: kept in the page's address, and told to the feed. */

import { useCallback, useState } from 'react';
import { minutesOf, queryOf, type View } from '../address';
import type { Feed } from '../feed/feed';
import { useRemembered } from './remembered';

const RECENT = 8;

interface Viewing {
  readonly view: View;
  /** The sites looked at before, the last one first. */
  readonly recent: readonly string[];
  readonly choose: (change: Partial<View>) => void;
}

export function useView(first: View, feed: Feed): Viewing {
  const [view, setView] = useState(first);
  const [known, setKnown] = useRemembered<readonly string[]>('sites', []);
  const choose = useCallback(
    (change: Partial<View>) => {
      const next = { ...view, ...change };
      setView(next);
      feed.lookBack(minutesOf(next.range));
      history.replaceState(null, '', queryOf(next, location.search));
      if (next.site === view.site) return;
      setKnown([...new Set([next.site, view.site, ...known])].slice(0, RECENT));
      feed.show(next.site);
    },
    [view, known, setKnown, feed],
  );
  return { view, recent: known.length ? known : [view.site], choose };
}
