/** The top of the page: which site, how things stand, and what can be set. */

import type { Ref } from 'react';
import type { FeedState } from '../feed/feed';
import { HelpIcon, Mark, MoonIcon, PauseIcon, PlayIcon, SunIcon } from './icons';
import { SitePicker } from './SitePicker';
import { Status } from './Status';
import type { Theme } from './useTheme';

interface Props {
  readonly newest: () => FeedState;
  readonly site: string;
  readonly recent: readonly string[];
  readonly paused: boolean;
  readonly theme: Theme;
  readonly picker: Ref<{ open(): void }>;
  readonly onSite: (site: string) => void;
  readonly onPause: () => void;
  readonly onTheme: () => void;
  readonly onRetry: () => void;
}

export function Header({ newest, site, recent, paused, theme, picker, onSite, onPause, onTheme, onRetry }: Props) {
  return (
    <header className="top">
      <h1>
        <Mark />
        <span>Tidemark</span>
      </h1>
      <SitePicker site={site} recent={recent} onChoose={onSite} ref={picker} />
      <Status newest={newest} paused={paused} onRetry={onRetry} />
      <div className="tools">
        <button
          type="button"
          className="icon"
          aria-pressed={paused}
          aria-label="Pause"
          title="Pause (p)"
          onClick={onPause}
        >
          {paused ? <PlayIcon /> : <PauseIcon />}
        </button>
        <button type="button" className="icon" aria-label="Dark or light" title="Dark or light (t)" onClick={onTheme}>
          {theme === 'dark' ? <SunIcon /> : <MoonIcon />}
        </button>
        <button type="button" className="icon" aria-label="Help" title="Help (?)" popoverTarget="help">
          <HelpIcon />
        </button>
      </div>
    </header>
  );
}
