import { SafetensorsError } from '../errors.ts'

/**
 * `JSON.parse` that refuses an object with the same key twice: JSON.parse keeps the last, other readers the first, and a file must not mean two things.
 *
 * @throws {SafetensorsError} a key appears twice in one object
 * @throws {SyntaxError} not JSON
 */
export function parseStrictJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  // The text is known to be well-formed from here on, so a scan of its tokens finds every key.
  const open: (Set<string> | null)[] = []
  const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g
  for (const [token, colon] of text.matchAll(tokens)) {
    if (token === '{') open.push(new Set())
    else if (token === '[') open.push(null)
    else if (token === '}' || token === ']') open.pop()
    else if (colon !== undefined) addKey(open.at(-1)!, JSON.parse(token.slice(0, -colon.length)) as string)
  }
  return value
}

function addKey(keys: Set<string> | null, key: string) {
  if (keys?.has(key)) throw new SafetensorsError(`${key} appears twice in the header`)
  keys?.add(key)
}
