/** What the network sees, and what was done to get there. */
export interface PreparedImage {
  /** flat, in the shape of the dataset's images */
  readonly pixels: Uint8Array
  /** what is shown was darker than its background */
  readonly inverted: boolean
  /** what is shown was cut out, scaled and centred */
  readonly cropped: boolean
}
