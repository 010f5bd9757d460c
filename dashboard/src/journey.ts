/** From a visit to how its way through the site reads, in short and in full. */

import type { Visit } from './feed/messages';

/** Return a visit's way in short: its entry, … when there is more between, and its exit; empty without a page view. */
export function shortWay(visit: Visit): string[] {
  const { entryPage: entry, exitPage: exit, pageViews } = visit;
  if (entry == null || exit == null) return [];
  if (pageViews === 1) return [entry];
  return pageViews === 2 ? [entry, exit] : [entry, '…', exit];
}

/** Return the pages in order, as far as they are told; a number stands for so many that are not. */
export function wholeWay({ path, pageViews, exitPage }: Visit): (string | number)[] {
  const missing = pageViews - path.length;
  if (missing <= 0 || exitPage == null) return path;
  return missing === 1 ? [...path, exitPage] : [...path, missing - 1, exitPage];
}
