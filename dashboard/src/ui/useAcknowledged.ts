/** Which alerts were acknowledged, in this browser. */

import { useCallback, useMemo } from 'react';
import type { AlertMessage as Alert } from '../feed/messages';
import { useRemembered } from './remembered';

/** Alerts are kept for three days; more than these nobody scrolls back to. */
const REMEMBERED = 1_000;

export function useAcknowledged(): [ReadonlySet<string>, (alerts: readonly Alert[]) => void] {
  const [ids, setIds] = useRemembered<readonly string[]>('acknowledged', []);
  const acknowledge = useCallback(
    (alerts: readonly Alert[]) =>
      setIds([...new Set([...alerts.map((alert) => alert.alertId), ...ids])].slice(0, REMEMBERED)),
    [ids, setIds],
  );
  return [useMemo(() => new Set(ids), [ids]), acknowledge];
}
