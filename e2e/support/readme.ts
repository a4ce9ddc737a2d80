import { readFile } from 'node:fs/promises'

const readme = new URL('../../README.md', import.meta.url)

/** The shell lines of the README's code blocks marked `sh`, as one script that stops at the first error. */
export async function readmeScript(): Promise<string> {
  const blocks = [...(await readFile(readme, 'utf8')).matchAll(/^```sh\n(.*?)^```$/gms)].map(([, lines]) => lines)
  if (blocks.length === 0) throw new Error('README.md has no code block marked sh')
  return ['set -eu', ...blocks].join('\n')
}
