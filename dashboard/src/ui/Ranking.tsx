/** A list of names with amounts, each with a bar in proportion to the largest. */

import { memo } from 'react';
import type { Ranking as Ranked } from '../feed/site';
import { number } from '../wording';

const ROWS = 12;

interface Props {
  readonly ranking: Ranked | undefined;
  readonly unit: string;
}

export const Ranking = memo(function Ranking({ ranking, unit }: Props) {
  if (!ranking) return <SkeletonRows />;
  if (!ranking.entries.length) return <p className="nothing">Nothing in the last 60 seconds.</p>;
  const most = ranking.entries[0]?.value ?? 1;
  return (
    <ol className={`ranking ${ranking.final ? 'settled' : 'early'}`} aria-label={unit}>
      {ranking.entries.slice(0, ROWS).map((entry) => (
        <li key={entry.key}>
          <span className="bar" style={{ transform: `scaleX(${entry.value / most})` }} />
          <span className="name" title={entry.key}>
            {entry.key}
          </span>
          <span className="amount">{number(entry.value, 0)}</span>
        </li>
      ))}
    </ol>
  );
});

/** Rows that are still to come. */
export function SkeletonRows() {
  return (
    <ol className="ranking" aria-busy="true">
      {Array.from({ length: 6 }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
        <li key={row}>
          <span className="skeleton" style={{ width: `${80 - row * 10}%` }} />
        </li>
      ))}
    </ol>
  );
}
