type ThemeChoice = 'system' | 'light' | 'dark'

const storageKey = 'noprop-theme'
const darkQuery = '(prefers-color-scheme: dark)'

/** Light or dark: the system's, until the user chooses; the choice is remembered in this browser. */
class Theme {
  choice = $state<ThemeChoice>(readChoice())
  #systemDark = $state(matchMedia(darkQuery).matches)

  constructor() {
    matchMedia(darkQuery).addEventListener('change', (event) => (this.#systemDark = event.matches))
    this.#apply()
  }

  get dark(): boolean {
    return this.choice === 'system' ? this.#systemDark : this.choice === 'dark'
  }

  /** Turns to the other of light and dark; where that is what the system has, follows the system again. */
  toggle(): void {
    const dark = !this.dark
    this.choice = dark === this.#systemDark ? 'system' : dark ? 'dark' : 'light'
    try {
      localStorage.setItem(storageKey, this.choice)
    } catch {
      // Private windows may refuse storage; the choice then lasts as long as the page
    }
    this.#apply()
  }

  #apply(): void {
    if (this.choice === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = this.choice
  }
}

function readChoice(): ThemeChoice {
  try {
    const stored = localStorage.getItem(storageKey)
    return stored === 'light' || stored === 'dark' ? stored : 'system'
  } catch {
    return 'system'
  }
}

export const theme = new Theme()

/** What a token such as `--ink` is at this moment, as `rgb(…)`: canvases know neither custom properties nor light-dark(). */
export function tokenColor(name: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${name})`
  document.body.append(probe)
  const color = getComputedStyle(probe).color
  probe.remove()
  return color
}
