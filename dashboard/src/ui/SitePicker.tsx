/** Which site is shown: any name can be typed, the recent ones are a click away. */

import { type FormEvent, type Ref, useImperativeHandle, useRef } from 'react';
import { ChevronIcon } from './icons';

/** A site's name is 1 to 64 characters. */
const LONGEST = 64;

interface Props {
  readonly site: string;
  readonly recent: readonly string[];
  readonly onChoose: (site: string) => void;
  readonly ref: Ref<{ open(): void }>;
}

export function SitePicker({ site, recent, onChoose, ref }: Props) {
  const popover = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useImperativeHandle(ref, () => ({ open: () => popover.current?.showPopover() }), []);

  const choose = (name: string) => {
    popover.current?.hidePopover();
    if (name) onChoose(name);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    choose(input.current?.value.trim() ?? '');
  };
  return (
    <div className="site">
      <button
        type="button"
        className="site-button"
        popoverTarget="sites"
        aria-keyshortcuts="s"
        title="Choose a site (s)"
      >
        <span className="site-name">{site}</span>
        <ChevronIcon />
      </button>
      <div id="sites" className="popover" popover="auto" ref={popover}>
        <form onSubmit={submit}>
          <input
            ref={input}
            autoFocus
            maxLength={LONGEST}
            placeholder="Name of a site, Enter"
            aria-label="Name of a site"
          />
        </form>
        <ul>
          {recent.map((name) => (
            <li key={name}>
              <button type="button" aria-current={name === site} onClick={() => choose(name)}>
                {name}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
