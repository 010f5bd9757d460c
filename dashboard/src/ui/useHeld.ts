/** What somebody reads stays where it is. */

import { useRef } from 'react';

/** Return the newest value, or while it is held the one at the beginning; nothing is never held. */
export function useHeld<Value>(newest: Value | undefined, held: boolean): Value | undefined {
  const kept = useRef(newest);
  if (!held || kept.current === undefined) kept.current = newest;
  return kept.current;
}
