import { builtinModules } from 'node:module';
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * The arrows of the house: a room may import itself and the rooms listed here, nothing else.
 * `docs/architecture.md` says what each room is for.
 */
const ARROWS = {
  model: [],
  config: ['model'],
  graph: ['model'],
  store: ['model'],
  temporal: ['model'],
  destinations: ['model'],
  activities: ['model', 'graph', 'store', 'destinations'],
  workflows: ['model', 'activities'],
  workers: ['model', 'config', 'graph', 'store', 'temporal', 'destinations', 'activities', 'workflows'],
  api: ['model', 'config', 'store', 'temporal', 'destinations', 'workflows'],
  embedded: ['config'],
  simulator: [],
  examples: [],
  cli: ['model', 'config', 'embedded', 'simulator', 'store', 'workers', 'api'],
  bench: [
    'model',
    'config',
    'graph',
    'store',
    'temporal',
    'destinations',
    'workers',
    'embedded',
    'simulator',
    'examples',
    'cli',
    'api',
    'workflows',
  ],
  chaos: ['model', 'config', 'store', 'workers', 'embedded', 'simulator', 'cli'],
};

const rooms = Object.keys(ARROWS);

/** Beside the store: who starts a PostgreSQL, and who measures one or looks into it from outside. */
const SPEAKS_SQL = ['store', 'embedded', 'bench', 'chaos'];

/** Forbids the imports for which `room` has no arrow. */
function arrowsOf(room) {
  const forbidden = rooms.filter((other) => other !== room && !ARROWS[room].includes(other));
  const patterns = forbidden.map((other) => ({
    regex: `^(\\.\\./)+${other}/`,
    message: `${room}/ must not import ${other}/ (see ARROWS in eslint.config.js).`,
  }));
  if (room === 'workflows') {
    patterns.push(
      { regex: '^(\\.\\./)+activities/', allowTypeImports: true, message: 'Workflows import activity types only.' },
      {
        regex: `^(node:)?(${builtinModules.filter((name) => name !== 'assert').join('|')})$`,
        message: 'Workflows are deterministic: no Node built-ins.',
      },
    );
  }
  patterns.push({ regex: '^(\\.\\./)+test/', message: 'The product imports nothing of its tests.' });
  if (!SPEAKS_SQL.includes(room)) patterns.push({ regex: '^pg$', message: 'SQL is spoken in store/ only.' });
  const dynamic = [...forbidden, 'test'].join('|');
  return {
    files: [`${room}/**/*.ts`],
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', { patterns }],
      'no-restricted-syntax': [
        'error',
        {
          selector: `ImportExpression > Literal[value=/^(\\.\\.\\/)+(${dynamic})\\//]`,
          message: `${room}/ must not import this room (see ARROWS in eslint.config.js).`,
        },
      ],
    },
  };
}

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
    },
  },
  {
    files: ['**/*.js'],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  { files: ['test/support/*.js'], rules: { 'no-console': 'off' } },
  ...rooms.map(arrowsOf),
);
