/** Where the visitors are: a circle a country on a dotted world, and a list. */

import { memo } from 'react';
import type { Ranking as Ranked } from '../feed/site';
import { codeOf, placeOf } from '../geo/countries';
import { LAND } from '../geo/land';
import { HEIGHT, onMap, WIDTH } from '../geo/projection';
import { counted } from '../wording';
import { Panel } from './Panel';
import { Ranking } from './Ranking';

const LARGEST = 13;
const SMALLEST = 2.5;

/** One stroke without length a dot: thousands of dots are one element. */
const DOTS = LAND.rows
  .flatMap((row, down) => [...row].map((cell, across) => (cell === '#' ? dot(across, down) : '')))
  .join('');

function dot(across: number, down: number): string {
  const [left, top] = onMap(LAND.north, -180);
  return `M${left + (across + 0.5) * LAND.cell},${round(top + (down + 0.5) * LAND.cell)}h0`;
}

export const Geography = memo(function Geography({ ranking }: { ranking: Ranked | undefined }) {
  return (
    <Panel title="Geography" area="geography" aside={<span className="unit">visitors, 60 s</span>}>
      <div className="places">
        <WorldMap ranking={ranking} />
        <Ranking ranking={ranking} unit="Visitors by country" />
      </div>
    </Panel>
  );
});

function WorldMap({ ranking }: { ranking: Ranked | undefined }) {
  const entries = ranking?.entries ?? [];
  const most = Math.max(1, ...entries.map((entry) => entry.value));
  return (
    <svg className="world" viewBox={`0 0 ${WIDTH} ${round(HEIGHT)}`} role="img" aria-label="Visitors on the map">
      <path className="land" d={DOTS} />
      <g className={ranking?.final ? 'settled' : 'early'}>
        {entries.map(({ key, value }) => {
          const code = codeOf(key);
          const place = code && placeOf(code);
          if (!place) return null;
          const [x, y] = onMap(...place);
          // Areas, not radii, are in proportion.
          const radius = SMALLEST + (LARGEST - SMALLEST) * Math.sqrt(value / most);
          return (
            <circle key={key} cx={x} cy={y} r={radius}>
              <title>{`${key}: ${counted(value, 'visitor')}`}</title>
            </circle>
          );
        })}
      </g>
    </svg>
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
