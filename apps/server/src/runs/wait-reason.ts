/**
 * Why a queued run waits, in one sentence; null where nothing is before it.
 *
 * @param before the runs that come first, the one that has the trainers at their head
 */
export function waitReason(before: readonly { id: string; name: string }[], trainers: number): string | null {
  const [active, ...between] = before
  if (!active) return null
  const busy = trainers === 1 ? 'the trainer is' : trainers === 2 ? 'both trainers are' : `all ${trainers} trainers are`
  const others = between.length === 0 ? '' : ` and for ${between.length} more in the queue`
  return `waiting for ${active.id} (${busy} busy with it)${others}`
}
