/** 128 random bits in hex; unlike crypto.randomUUID also on plain http beyond localhost. */
export function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
