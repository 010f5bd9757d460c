/** The time, for texts that tell an age. */

import { useEffect, useState } from 'react';

const TICK_MS = 250;

/** Return this machine's clock (ms since the epoch), four times a second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
