/** The funnel: how many of the last visits reached each step, and where the others went no further. */

import { memo } from 'react';
import type { Funnel as Counted } from '../feed/messages';
import { type Row, rows } from '../funnel';
import { counted, number, percent } from '../wording';
import { DropIcon } from './icons';
import { Panel } from './Panel';
import { SkeletonRows } from './Ranking';

export const Funnel = memo(function Funnel({ funnel }: { funnel: Counted | undefined }) {
  const unit = funnel && `of ${counted(funnel.visits, 'visit')}, ${funnel.minutes} min`;
  return (
    <Panel title="Funnel" area="funnel" aside={<span className="unit">{unit}</span>}>
      {funnel ? <Steps funnel={funnel} /> : <SkeletonRows />}
    </Panel>
  );
});

function Steps({ funnel }: { funnel: Counted }) {
  if (!funnel.visits) return <p className="nothing">No visit was over in the last {funnel.minutes} minutes.</p>;
  return (
    <ol className="funnel" aria-label="Visits that reached each step">
      {rows(funnel.steps).map((row, step) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place, its pattern may come twice
        <Step key={step} row={row} />
      ))}
    </ol>
  );
}

function Step({ row: { name, count, share, lost } }: { row: Row }) {
  return (
    <li>
      <div className="step">
        <span className="bar" style={{ transform: `scaleX(${share ?? 0})` }} />
        <span className="name" title={name}>
          {name}
        </span>
        <span className="amount">{number(count, 0)}</span>
        <span className="share" title="of those at the first step">
          {share === null ? '–' : percent(share)}
        </span>
      </div>
      {lost && (
        <p className="lost">
          <DropIcon />
          <span className="name">went no further</span>
          <span className="amount">{number(lost.count, 0)}</span>
          <span className="share" title="of those at this step">
            {percent(lost.share)}
          </span>
        </p>
      )}
    </li>
  );
}
