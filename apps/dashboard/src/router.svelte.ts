import { parseRoute, type Route } from './routes.ts'

/** Addresses that the server answers itself: ordinary links. */
const serverPaths = /^\/(v1|docs|metrics|openapi\.json|livez|readyz)(\/|$)/

/** Keeps the page and the address bar together. Ordinary links work: plain clicks on them are taken over, all others are left to the browser. */
class Router {
  route = $state.raw<Route>(parseRoute(new URL(location.href)))

  constructor() {
    addEventListener('popstate', () => this.#read())
    document.addEventListener('click', (event) => this.#onClick(event))
  }

  navigate(href: string, { replace = false } = {}): void {
    history[replace ? 'replaceState' : 'pushState'](null, '', href)
    this.#read()
    if (!replace) scrollTo(0, 0)
  }

  #read(): void {
    this.route = parseRoute(new URL(location.href))
  }

  #onClick(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const anchor = event.target instanceof Element ? event.target.closest('a') : null
    if (!anchor?.href || anchor.target || anchor.hasAttribute('download') || anchor.origin !== location.origin) return
    if (serverPaths.test(anchor.pathname) || anchor.getAttribute('href')!.startsWith('#')) return
    event.preventDefault()
    this.navigate(anchor.href)
  }
}

export const router = new Router()
