// Embedded modules: build/embedded/ holds them as base64, so that a bundler makes one file of all.

/**
 * A Uint8Array on an ArrayBuffer of its own, written so that TypeScript before 5.7, whose
 * Uint8Array has no parameter, reads the package's types, too.
 */
export type Bytes = ReturnType<Uint8Array["slice"]>;

/** A module's bytes from its text. */
export function bytesOf(base64: string): Bytes {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}
