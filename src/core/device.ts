export function deviceLabel(_userAgent: string | undefined): string | null {
  return null
}
export function clipLabel(label: string): string {
  return label
}
