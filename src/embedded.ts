// Embedded modules: build/embedded/ holds them as base64, so that a bundler makes one file of all.

/** A module's bytes from its text. */
export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}
