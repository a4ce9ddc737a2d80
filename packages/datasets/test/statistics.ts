/** Mean and standard deviation of each channel, of pixel values divided by 255. */
export function statisticsOf(images: Uint8Array, channels: number): { mean: number[]; std: number[] } {
  const sums = new Float64Array(channels)
  const squares = new Float64Array(channels)
  for (let i = 0; i < images.length; i += channels) {
    for (let c = 0; c < channels; c++) {
      const value = images[i + c]!
      sums[c]! += value
      squares[c]! += value * value
    }
  }
  const count = images.length / channels
  const mean = Array.from(sums, (sum) => sum / count / 255)
  return { mean, std: Array.from(squares, (square, c) => Math.sqrt(square / count / 255 ** 2 - mean[c]! ** 2)) }
}
