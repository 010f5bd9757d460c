/** From a country as events name it, in words or as a code, to its code and its place on the map. */

import { CENTRES } from './centres';

/** Names that people use and Intl does not. */
const ALSO: Readonly<Record<string, string>> = {
  usa: 'US',
  'united states of america': 'US',
  uk: 'GB',
  'great britain': 'GB',
  england: 'GB',
  'czech republic': 'CZ',
  holland: 'NL',
  'south korea': 'KR',
  russia: 'RU',
  turkey: 'TR',
  'ivory coast': 'CI',
};

const byName = new Map(Object.entries(ALSO));
const names = new Intl.DisplayNames(['en'], { type: 'region' });
for (const code of Object.keys(CENTRES)) {
  byName.set(code.toLowerCase(), code);
  byName.set((names.of(code) ?? code).toLowerCase(), code);
}

/** Return the two-letter code of a country; null for a name nobody knows. */
export function codeOf(country: string): string | null {
  return byName.get(country.trim().toLowerCase()) ?? null;
}

/** Return where a country is: degrees north and east. */
export function placeOf(code: string): readonly [number, number] | null {
  return CENTRES[code] ?? null;
}
