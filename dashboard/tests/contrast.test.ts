import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const css = readFileSync(new URL('../src/theme/tokens.css', import.meta.url), 'utf8');
const THEMES = ['light', 'dark'] as const;

type Theme = (typeof THEMES)[number];

/** Text with what is under it. The least a theme may have is WCAG AA's 4.5. */
const PAIRS = [
  ...['text', 'text-soft', 'text-faint', 'provisional', 'accent', 'good', 'bad', 'warn'].map((ink) => [ink, 'panel']),
  ...['text', 'text-soft', 'text-faint', 'good', 'bad', 'warn'].map((ink) => [ink, 'ground']),
  ...['text', 'text-soft', 'good', 'warn'].map((ink) => [ink, 'raised']),
  ['text', 'accent-bar'],
] as [string, string][];

function luminance(theme: Theme, name: string): number {
  const hex = new RegExp(`--${name}: light-dark\\(#([0-9a-f]{6}), #([0-9a-f]{6})\\)`).exec(css)?.[
    1 + THEMES.indexOf(theme)
  ];
  if (!hex) throw new Error(`no colour --${name}`);
  const [red = 0, green = 0, blue = 0] = [0, 2, 4].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(theme: Theme, [ink, ground]: [string, string]): number {
  const [low = 0, high = 0] = [luminance(theme, ink), luminance(theme, ground)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

it.each(THEMES)('can be read in the %s theme', (theme) => {
  const unreadable = PAIRS.map((pair) => [pair.join(' on '), contrast(theme, pair)] as const).filter(
    ([, ratio]) => ratio < 4.5,
  );
  expect(unreadable).toEqual([]);
});
