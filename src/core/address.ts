export type AddressMode = 'truncated' | 'none' | 'full'
export function shownAddress(address: string | undefined, mode: AddressMode): string | null {
  return mode === 'none' ? null : (address ?? null)
}
