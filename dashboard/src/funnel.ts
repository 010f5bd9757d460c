/** From a funnel's counts to what its rows say. */

import type { Dimension } from './feed/messages';

export interface Row {
  readonly name: string;
  readonly count: number;
  /** The part of those at the first step that reached this one, 0..1; null when nobody started. */
  readonly share: number | null;
  /** How many went no further, and the part they are of those at this step; null at the last step. */
  readonly lost: { readonly count: number; readonly share: number } | null;
}

/** Say what a funnel's steps are like, in order. */
export function rows(steps: readonly Dimension[]): Row[] {
  const start = steps[0]?.value ?? 0;
  return steps.map(({ key, value }, index) => {
    const next = steps[index + 1];
    const lost = next ? value - next.value : 0;
    return {
      name: key === 'CONVERSION' ? 'Conversion' : key,
      count: value,
      share: start ? value / start : null,
      lost: next ? { count: lost, share: value ? lost / value : 0 } : null,
    };
  });
}
