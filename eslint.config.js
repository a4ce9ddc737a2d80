import js from '@eslint/js'
import svelte from 'eslint-plugin-svelte'
import globals from 'globals'
import ts from 'typescript-eslint'

/**
 * Who may import which workspace package: dependencies point one way, and only through a package's entry.
 * `types` may be imported where nothing of them is left at run time.
 */
const allowedPackages = [
  { files: ['packages/{contract,datasets,engine}/src/**'], packages: [] },
  { files: ['packages/noprop/src/**'], packages: [], types: ['engine'] },
  { files: ['apps/server/src/**'], packages: ['contract', 'datasets'] },
  { files: ['apps/server/src/{predictions,system}/**'], packages: ['contract', 'datasets', 'engine', 'noprop'] },
  { files: ['apps/trainer/src/**'], packages: ['contract', 'datasets', 'engine', 'noprop'] },
  { files: ['apps/dashboard/src/**'], packages: ['contract', 'noprop'] },
  { files: ['e2e/**'], packages: ['contract'] },
]

function importRule({ files, packages, types = [] }) {
  const forbidden = ['contract', 'datasets', 'engine', 'noprop', 'server', 'trainer', 'dashboard', 'e2e'].filter(
    (name) => !packages.includes(name),
  )
  const toPaths = (names) => names.map((name) => `@noprop/${name}`)
  return {
    files,
    ignores: ['**/*.test.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['@noprop/*/*', '**/packages/*/src/**'], message: 'Import a package through the entry that its exports name.' },
            ...(types.length ? [{ group: toPaths(types), allowTypeImports: true, message: 'Only its types may be imported here.' }] : []),
            {
              group: toPaths(forbidden.filter((name) => !types.includes(name))),
              message: 'Dependencies do not point in this direction; see ARCHITECTURE.md.',
            },
          ],
        },
      ],
    },
  }
}

export default ts.config(
  {
    ignores: [
      '**/node_modules/',
      'dist/',
      'data/',
      '.cache/',
      'test-results/',
      'playwright-report/',
      'apps/server/src/generated/',
      'apps/dashboard/src/api/schema.d.ts',
    ],
  },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  ...svelte.configs.prettier,
  {
    languageOptions: { globals: globals.node },
    rules: {
      eqeqeq: 'error',
      'no-console': 'off',
      'svelte/prefer-svelte-reactivity': 'off', // it also reports maps that nothing renders
      'no-undef': 'off', // TypeScript and svelte-check know better
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
    },
  },
  { files: ['scripts/**/*.mjs'], rules: { 'no-undef': 'error' } },
  {
    // needs types, so it is asked where a lost rejection would take a process down
    files: ['apps/{server,trainer}/src/**/*.ts', 'packages/*/src/**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
    },
  },
  {
    files: ['apps/dashboard/**/*.{svelte,svelte.ts,ts}'],
    languageOptions: { globals: globals.browser, parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'] } },
  },
  ...allowedPackages.map(importRule),
)
