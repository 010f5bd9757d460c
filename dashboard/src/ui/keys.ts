/** The keyboard: which key does what, for the help and for the page. */

import { useEffect } from 'react';

export interface Shortcut {
  readonly keys: readonly string[];
  readonly meaning: string;
}

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: ['1', '…', '6'], meaning: 'Show a metric on the chart' },
  { keys: ['[', ']'], meaning: 'Shorter or longer time range' },
  { keys: ['s'], meaning: 'Choose a site' },
  { keys: ['p'], meaning: 'Pause, or go on' },
  { keys: ['a'], meaning: 'Acknowledge all alerts' },
  { keys: ['t'], meaning: 'Dark or light' },
  { keys: ['f'], meaning: 'Full screen' },
  { keys: ['?'], meaning: 'This help' },
];

/** Call what a key does while nobody types; keys with Ctrl, Alt or Meta are the browser's. */
export function useKeys(actions: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLInputElement;
      const action = actions[event.key];
      if (typing || !action || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      action();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [actions]);
}
