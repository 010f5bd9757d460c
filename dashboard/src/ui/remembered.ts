/** What this browser remembers between visits, in localStorage; a browser that refuses remembers nothing. */

import { useCallback, useState } from 'react';

/** Like useState, for a value that survives: any JSON. */
export function useRemembered<Value>(name: string, first: Value): [Value, (value: Value) => void] {
  const [value, setValue] = useState<Value>(() => read(name) ?? first);
  const remember = useCallback(
    (next: Value) => {
      setValue(next);
      write(name, next);
    },
    [name],
  );
  return [value, remember];
}

function read<Value>(name: string): Value | null {
  try {
    return JSON.parse(localStorage.getItem(`tidemark.${name}`) ?? 'null') as Value | null;
  } catch {
    return null;
  }
}

function write(name: string, value: unknown): void {
  try {
    localStorage.setItem(`tidemark.${name}`, JSON.stringify(value));
  } catch {
    // Private windows refuse, or the room is used up: the page works without.
  }
}
