/** Dark or light: as the system is set, until somebody chooses. */

import { useCallback, useEffect, useLayoutEffect, useState } from 'react';
import { useRemembered } from './remembered';

export type Theme = 'dark' | 'light';

const system = matchMedia('(prefers-color-scheme: dark)');

/** Return the theme that is on, and what turns the other one on. */
export function useTheme(): [Theme, () => void] {
  const [chosen, choose] = useRemembered<Theme | null>('theme', null);
  const [dark, setDark] = useState(system.matches);
  useEffect(() => {
    const follow = () => setDark(system.matches);
    system.addEventListener('change', follow);
    return () => system.removeEventListener('change', follow);
  }, []);
  const theme = chosen ?? (dark ? 'dark' : 'light');
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return [theme, useCallback(() => choose(theme === 'dark' ? 'light' : 'dark'), [choose, theme])];
}
