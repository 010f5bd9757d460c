import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { withinBudget } from './scripts/budget.ts';

export default defineConfig({
  // Addresses are relative: the page works wherever it is served.
  base: './',
  plugins: [react(), withinBudget(250)],
  // The gateway's content policy allows files only, no data: addresses.
  build: { assetsInlineLimit: 0 },
  test: { include: ['tests/**/*.test.ts'] },
});
