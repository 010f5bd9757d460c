/** The latest visits, newest first, each with its way through the site; the list stands still while one reads it. */

import { memo, useState } from 'react';
import type { Visit } from '../feed/messages';
import { Panel } from './Panel';
import { SkeletonRows } from './Ranking';
import { useHeld } from './useHeld';
import { VisitRow } from './VisitRow';

interface Props {
  readonly latest: readonly Visit[] | undefined;
  /** How many steps the funnel has. */
  readonly steps: number | undefined;
}

export const Visits = memo(function Visits({ latest, steps = 0 }: Props) {
  const [pointed, setPointed] = useState(false);
  const [focused, setFocused] = useState(false);
  const [open, setOpen] = useState<string | null>(null);
  const shown = useHeld(latest, pointed || focused || open !== null);
  return (
    <Panel title="Latest visits" area="visits" aside={<span className="unit">{news(shown, latest)}</span>}>
      {!shown && <SkeletonRows />}
      {shown?.length === 0 && <p className="nothing">None has ended yet.</p>}
      {shown && shown.length > 0 && (
        <ol
          className="visits"
          onPointerEnter={() => setPointed(true)}
          onPointerLeave={() => setPointed(false)}
          onFocus={(event) => setFocused(event.target.matches(':focus-visible'))}
          onBlur={() => setFocused(false)}
        >
          {shown.map((visit) => (
            <VisitRow
              key={visit.visitId}
              visit={visit}
              steps={steps}
              open={visit.visitId === open}
              onToggle={() => setOpen((known) => (known === visit.visitId ? null : visit.visitId))}
            />
          ))}
        </ol>
      )}
    </Panel>
  );
});

/** Say how many visits have ended that are not in a list that is held. */
function news(shown: readonly Visit[] | undefined, latest: readonly Visit[] | undefined): string {
  if (!shown || !latest) return '';
  const known = new Set(shown.map((visit) => visit.visitId));
  const more = latest.filter((visit) => !known.has(visit.visitId)).length;
  return shown === latest || !more ? 'ended last' : `held · ${more}${more === latest.length ? '+' : ''} new`;
}
