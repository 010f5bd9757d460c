/** The keyboard's help, and what the drawing means. */

import { type Ref, useImperativeHandle, useRef } from 'react';
import { SHORTCUTS } from './keys';

export function Help({ ref }: { ref: Ref<{ toggle(): void }> }) {
  const popover = useRef<HTMLDivElement>(null);
  useImperativeHandle(ref, () => ({ toggle: () => popover.current?.togglePopover() }), []);
  return (
    <div id="help" className="popover help" popover="auto" ref={popover} role="dialog" aria-label="Help">
      <h2>Keys</h2>
      <dl>
        {SHORTCUTS.map(({ keys, meaning }) => (
          <div key={meaning}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <h2>Reading it</h2>
      <p>
        <b className="settled">Final</b>: every event of the window is in, the number never changes again.{' '}
        <b className="early">Early</b>: the window has just ended, late events may still come; drawn lighter and dashed.
        A ring is the window that is still open.
      </p>
      <p>Acknowledged alerts are remembered in this browser only. Nothing leaves this page.</p>
    </div>
  );
}
