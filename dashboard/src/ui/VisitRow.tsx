/** One visit in two lines, and on demand in full. */

import { memo, useId } from 'react';
import type { Visit } from '../feed/messages';
import { shortWay, wholeWay } from '../journey';
import { clock, counted, duration, number } from '../wording';
import { Fact } from './Fact';
import { CheckIcon } from './icons';

interface Props {
  readonly visit: Visit;
  readonly steps: number;
  readonly open: boolean;
  readonly onToggle: () => void;
}

export const VisitRow = memo(function VisitRow({ visit, steps, open, onToggle }: Props) {
  const details = useId();
  return (
    <li>
      <button type="button" aria-expanded={open} aria-controls={open ? details : undefined} onClick={onToggle}>
        <time dateTime={new Date(visit.endTime).toISOString()}>{clock(visit.endTime)}</time>
        <Way visit={visit} />
        <Outcome visit={visit} />
        <span className="visit-about">
          <span>{visit.visitor}</span>
          <span className="amount">{counted(visit.pageViews, 'page')}</span>
          <span className="amount">{duration(visit.durationSeconds)}</span>
          <span>{visit.deviceType ?? '–'}</span>
          <span>{visit.country ?? '–'}</span>
        </span>
      </button>
      {open && <Details id={details} visit={visit} steps={steps} />}
    </li>
  );
}, same);

/** Visits never change, only the message they come in does. */
function same(before: Props, after: Props): boolean {
  const unchanged = before.visit.visitId === after.visit.visitId && before.steps === after.steps;
  return unchanged && before.open === after.open;
}

function Way({ visit }: { visit: Visit }) {
  const pages = shortWay(visit);
  if (!pages.length) return <span className="way">no page</span>;
  return (
    <span className="way">
      {pages.map((page, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a page may come twice
        <span key={index} className={page === '…' ? 'more' : 'page'}>
          {page}
        </span>
      ))}
    </span>
  );
}

function Outcome({ visit }: { visit: Visit }) {
  if (!visit.converted) return <span className="outcome">{visit.behaviour}</span>;
  return (
    <span className="outcome won">
      <CheckIcon />
      <span className="unseen">converted, revenue </span>
      {number(visit.revenue, 2)}
    </span>
  );
}

function Details({ id, visit, steps }: { id: string; visit: Visit; steps: number }) {
  const facts: [string, string | null | undefined][] = [
    ['Visitor', visit.visitor],
    ['From', visit.referrer],
    ['Browser', visit.browser],
    ['Country', visit.country],
    ['Began', clock(visit.startTime)],
    ['Funnel', `step ${visit.funnelStep} of ${steps}`],
  ];
  return (
    <div id={id} className="visit-details">
      <ol className="path" aria-label="Pages in order">
        {wholeWay(visit).map((page, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a page may come twice
          <li key={index} className={typeof page === 'number' ? 'more' : 'page'}>
            {typeof page === 'number' ? `${counted(page, 'page')} more` : page}
          </li>
        ))}
      </ol>
      <dl className="facts">{facts.map(([name, value]) => value && <Fact key={name} name={name} value={value} />)}</dl>
    </div>
  );
}
