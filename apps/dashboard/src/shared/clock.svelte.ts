import { createSubscriber } from 'svelte/reactivity'

/** The time of day, ticking once a second while somebody reads it. */
class Clock {
  #subscribe = createSubscriber((update) => {
    const timer = setInterval(update, 1000)
    return () => clearInterval(timer)
  })

  get now(): number {
    this.#subscribe()
    return Date.now()
  }
}

export const clock = new Clock()
