/** Windows of a pooling that tile the image. */
export interface Tile {
  readonly height: number
  readonly width: number
}

/** One pixel of every tile. */
export interface Place {
  readonly row: number
  readonly column: number
  readonly tile: Tile
}

export const everyPixel: Place = { row: 0, column: 0, tile: { height: 1, width: 1 } }

/** The places of a tile, row by row. */
export function placesOf(tile: Tile): Place[] {
  return Array.from({ length: tile.height * tile.width }, (_, i) => ({ row: Math.floor(i / tile.width), column: i % tile.width, tile }))
}
