/** The site's alerts, those about itself before those about visitors, newest first: filtered by text, acknowledged in this browser only. */

import { memo, useState } from 'react';
import type { AlertMessage as Alert } from '../feed/messages';
import { clock, counted } from '../wording';
import { CheckIcon } from './icons';
import { Panel } from './Panel';
import { Segments } from './Segments';

const SHOWN = 60;

interface Props {
  readonly alerts: readonly Alert[];
  readonly lost: number;
  readonly known: boolean;
  readonly acknowledged: ReadonlySet<string>;
  readonly onAcknowledge: (alerts: readonly Alert[]) => void;
}

export const Alerts = memo(function Alerts({ alerts, lost, known, acknowledged, onAcknowledge }: Props) {
  const [filter, setFilter] = useState<'open' | 'all'>('open');
  const [text, setText] = useState('');
  const open = alerts.filter((alert) => !acknowledged.has(alert.alertId));
  const matching = (filter === 'open' ? open : alerts).filter((alert) => matches(alert, text));
  const found = [...matching.filter(isAboutSite), ...matching.filter((alert) => !isAboutSite(alert))];
  const count = known && <span className={`badge ${open.length ? 'badge-warn' : ''}`}>{open.length}</span>;
  return (
    <Panel title="Alerts" area="alerts" aside={count}>
      <div className="alert-tools">
        <input
          type="search"
          placeholder="Filter"
          aria-label="Filter alerts"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Segments
          label="Which alerts"
          options={[
            ['open', 'Open'],
            ['all', 'All'],
          ]}
          value={filter}
          onChoose={setFilter}
        />
        <button type="button" className="quiet" disabled={!open.length} onClick={() => onAcknowledge(open)}>
          Acknowledge all
        </button>
      </div>
      {lost > 0 && <p className="note">{counted(lost, 'alert')} did not arrive: this page was slow.</p>}
      {found.length ? (
        <ol className="alerts">
          {found.slice(0, SHOWN).map((alert) => (
            <Row
              key={alert.alertId}
              alert={alert}
              done={acknowledged.has(alert.alertId)}
              onAcknowledge={onAcknowledge}
            />
          ))}
        </ol>
      ) : (
        <p className="nothing">{emptyText(known, alerts.length, text)}</p>
      )}
      {found.length > SHOWN && <p className="note">and {found.length - SHOWN} more</p>}
    </Panel>
  );
});

interface RowProps {
  readonly alert: Alert;
  readonly done: boolean;
  readonly onAcknowledge: (alerts: readonly Alert[]) => void;
}

function Row({ alert, done, onAcknowledge }: RowProps) {
  return (
    <li className={done ? 'done' : undefined}>
      <time dateTime={new Date(alert.timestamp).toISOString()}>{clock(alert.timestamp)}</time>
      <span className="alert-text" title={`${alert.title}: ${alert.description}`}>
        <b>{alert.title}</b> {alert.userId || alert.description}
      </span>
      {!done && (
        <button
          type="button"
          className="icon"
          aria-label={`Acknowledge: ${alert.description}`}
          onClick={() => onAcknowledge([alert])}
        >
          <CheckIcon />
        </button>
      )}
    </li>
  );
}

function isAboutSite(alert: Alert): boolean {
  return !alert.userId;
}

function matches(alert: Alert, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return `${alert.severity} ${alert.title} ${alert.description} ${alert.userId}`.toLowerCase().includes(wanted);
}

function emptyText(known: boolean, alerts: number, text: string): string {
  if (!known) return 'Connecting …';
  if (text) return 'None like that.';
  return alerts ? 'All acknowledged.' : 'None yet.';
}
