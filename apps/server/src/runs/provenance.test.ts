import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readBuildFacts, readGitCommit } from './provenance.ts'

const commit = '0123456789abcdef0123456789abcdef01234567'
let root: string
beforeEach(async () => void (root = await mkdtemp(join(tmpdir(), 'noprop-git-'))))
afterEach(() => rm(root, { recursive: true }))

async function write(path: string, text: string) {
  await mkdir(join(root, path, '..'), { recursive: true })
  await writeFile(join(root, path), text)
}

test('the commit of a branch is read from its loose ref', async () => {
  await write('.git/HEAD', 'ref: refs/heads/main\n')
  await write('.git/refs/heads/main', `${commit}\n`)
  expect(readGitCommit(root)).toBe(commit)
})

test('or from the packed refs', async () => {
  await write('.git/HEAD', 'ref: refs/heads/main\n')
  await write('.git/packed-refs', `# pack-refs\n${'f'.repeat(40)} refs/heads/not-main\n${commit} refs/heads/main\n`)
  expect(readGitCommit(root)).toBe(commit)
})

test('a detached head is the commit itself', async () => {
  await write('.git/HEAD', `${commit}\n`)
  expect(readGitCommit(root)).toBe(commit)
})

test('a worktree finds its branch in the repository that it belongs to', async () => {
  await write('.git', 'gitdir: repository/worktrees/here\n')
  await write('repository/worktrees/here/HEAD', 'ref: refs/heads/topic\n')
  await write('repository/worktrees/here/commondir', '../..\n')
  await write('repository/refs/heads/topic', `${commit}\n`)
  expect(readGitCommit(root)).toBe(commit)
})

test('there is no commit without Git, on an unborn branch, or in a broken file', async () => {
  expect(readGitCommit(root)).toBeNull()
  await write('.git/HEAD', 'ref: refs/heads/main\n')
  expect(readGitCommit(root)).toBeNull()
  await write('.git/refs/heads/main', 'nonsense')
  expect(readGitCommit(root)).toBeNull()
})

test('a commit that is configured wins', () => {
  expect(readBuildFacts('abc').gitCommit).toBe('abc')
})

test('the versions are those of what is installed', () => {
  expect(readBuildFacts(null).versions).toMatchObject({ node: process.versions.node, fastify: expect.stringMatching(/^5\./) as string })
})
