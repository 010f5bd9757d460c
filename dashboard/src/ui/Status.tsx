/** How things stand, always in sight: the connection, and how old the data is. */

import type { FeedState } from '../feed/feed';
import { describe } from './standing';
import { useNow } from './useNow';

interface Props {
  /** Not what is shown: a pause freezes the numbers, not the connection. */
  readonly newest: () => FeedState;
  readonly paused: boolean;
  readonly onRetry: () => void;
}

export function Status({ newest, paused, onRetry }: Props) {
  const now = useNow();
  const feed = newest();
  const { tone, title, detail } = describe(feed, now);
  return (
    <div className={`status status-${tone}`} role="status" data-tone={tone}>
      <span className="dot" />
      <strong>{paused ? `Paused · ${title}` : title}</strong>
      <span className="status-detail">{detail}</span>
      {feed.connection.kind === 'waiting' && (
        <button type="button" className="quiet" onClick={onRetry}>
          Try now
        </button>
      )}
    </div>
  );
}
