/** Trains the small network for as many steps as the first argument says, and prints a hash of its state. */

import { hashOf, train } from './train-small-network.ts'

const { state } = await train('cpu', Number(process.argv[2]))
console.log(hashOf(state))
