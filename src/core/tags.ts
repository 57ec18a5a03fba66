/**
 * The two-character tag of each partition. Tag p hashes (CRC16, as Redis Cluster does) to one of the slots 64p to 64p+63,
 * so 256 partitions spread evenly over any number of nodes; a test asserts it. Part of the data format: never change it.
 */
const TAGS =
  'pDbl4HRF9tAxSTqRBJPb6hPf07CXQtsrOImOaaCg6WE8BuCoMioo9KAG4wRyU4w2' +
  'iKKMYaeezqhYzuXskkImECyGs2jys6Q0fhDnVBtDuRgzuVWPdHFNTbvdwreZwvUp' +
  'QhsnaBCD6tPzBVk3SHqNcbAd4TRZpXbpne8EnaLg24J8MuosBiNClANGD2f4D6f0' +
  'xIZOHcjeksr8kwIqziXoJChEb0eyb4KQwjUlYBeFdPvxdTFRuJWLuNgffptXftDr' +
  'bnpFRDpBAz9vqPSVNbBHPdrbCZ05spQvmMOKCeacNY6UCmBwomMkAE9ILy4uw0U6' +
  'KOiIegYcc8zsXqzwIokiyEEAtys0Q2s4DlfjtFHBgxuPWRuTFLdJvfJbeXwpUrwt' +
  'slQjCFQnPx6vk1BTqLSJAf9jRX4VbrpZ8GngLencT826oqMwNABkNElCCyD0f2D4' +
  'ZMxKjgHayYkqIskuXmzkhGJAKWb2KSb6UnwheDGBvzdRFPdVWNuHgdEbtZfrDpfv'

/** Tag by partition, of which there are 256: one for each value of a token's first byte. */
export const tags: readonly string[] = TAGS.match(/../g) as string[]

/** Whether `text` is the tag of a partition. */
export function isTag(text: string): boolean {
  return tags.includes(text)
}
