/** Where the events went: accepted, or why not. */

import type { Ranking } from '../feed/site';
import { outcomes, seconds } from '../outcomes';
import { number } from '../wording';

export function Outcomes({ windows }: { windows: readonly Ranking[] }) {
  return (
    <section className="outcomes" aria-label="Where the events went">
      <h3>Where the events went{windows.length > 0 && `, ${seconds(windows)} s`}</h3>
      <dl>
        {outcomes(windows).map(({ name, count }) => (
          <div key={name} className={count ? undefined : 'none'}>
            <dt>{name}</dt>
            <dd>{windows.length ? number(count, 0) : '–'}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
