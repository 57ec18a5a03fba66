// How much is taken of what an application, or whoever sends a request, hands over. What is more is refused, or cut where it is
// only shown. This file imports nothing, so that the numbers stand where they are used in a bundle.

/** How deep the arrays and objects of a value may be nested. Far fewer levels than JSON.stringify can descend on any stack. */
export const DEEPEST = 500

/** The name of a field, in characters. */
export const LONGEST_NAME = 256

/** Ten years, in milliseconds: what is longer is a mistake in the unit, not a session. */
export const LONGEST_DURATION = 315_360_000_000

/** A user id, in bytes. */
export const LONGEST_USER_ID = 256

export const MOST_ROLES = 64
export const LONGEST_ROLE = 64
export const LONGEST_DEVICE_ID = 256

/**
 * The label of a device, in bytes. A value above 64 would make Redis keep the whole session hash in its larger form
 * (docs/decisions/003-data-model.md).
 */
export const LONGEST_LABEL = 64

/** A label may come from anywhere, so no more characters of it than these are looked at. */
export const LONGEST_LABEL_GIVEN = 1024

/** No browser's `User-Agent` is longer, and what parses it looks for hundreds of patterns. */
export const LONGEST_USER_AGENT = 512

/** The longest textual form of an IPv6 address has 45 characters; a zone id comes on top. */
export const LONGEST_ADDRESS = 100
