import { defineConfig } from 'vite';
import { withinBudget } from './scripts/budget.ts';

/** tidemark.js: one classic script, for browsers from 2020 on. */
export default defineConfig({
  publicDir: false,
  plugins: [withinBudget(2)],
  build: {
    target: 'es2020',
    outDir: 'dist-tracker',
    lib: { entry: 'tracker/tidemark.ts', name: 'tidemark', formats: ['iife'], fileName: () => 'tidemark.js' },
  },
});
