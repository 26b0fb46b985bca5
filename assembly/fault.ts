// What happens when the core meets something that can't be: a damaged image, a broken assumption.
// It notes where, and traps. The host catches the trap and calls `fault` of the module's entry,
// which answers without reading the image. What was committed before stands; nothing else is
// written.

/** Why the core trapped; read by the entry's `fault`. Empty: a trap that we didn't raise. */
export let faultText: string = "";

/** The image contradicts itself: `what` names the structure. Never returns. */
export function damaged(what: string): void {
  faultText = what;
  unreachable();
}

/** Takes the place of AssemblyScript's abort (asconfig: use). Never returns. */
export function abort(message: string, file: string, line: i32, column: i32): void {
  faultText = message;
  unreachable();
}
