import { setUp } from './set-up.mjs'

/** Tests of processes run the bundles that ship. Packages are installed already: Vitest is one of them. */
export default async function setup() {
  await setUp({ packages: false, parts: ['client', 'bundles'] })
}
