/** For an error that does not matter; whoever ignores it says why. */
export function ignored(): void {}
