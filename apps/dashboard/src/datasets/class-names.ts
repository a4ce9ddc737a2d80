/** Whether the classes are the digits, which can be drawn; photographs cannot. */
export function areDigits(classes: readonly string[]): boolean {
  return classes.length > 0 && classes.every((name, index) => name === String(index))
}

/** Some classes in words: all where there are few, else the first and how many more. */
export function listClasses(classes: readonly string[], most = 12): string {
  const names = classes.slice(0, most).map((name) => name.replaceAll('_', ' '))
  const more = classes.length - names.length
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ')
}
