// Numbers that both compilers read: asc for the core, tsc for everything around it.
// Only plain `export const NAME = literal`; nothing here may be computed.

/** First byte of the image window in WebAssembly memory; below it lies nothing. */
export const WINDOW_BASE = 65536;
/** End of the image window: static data and scratch lie above. */
export const WINDOW_END = 1073741824;
/** Bytes of memory above the window: static data and the scratch of one instance. */
export const SCRATCH_BYTES = 33554432;
/** First byte of static data (asconfig.json's memoryBase). */
export const STATIC_BASE = 1073745920;
/**
 * First byte of a plugin's scratch: below it, behind static data, the native host lays its own
 * program (native/layout.ld).
 */
export const SCRATCH_BASE = 1075871744;

/** Rows in which a thread's pools keep slots that are taken ahead, words of each (src/rows.ts). */
export const ROWS = 64;
export const ROW_WORDS = 68;

/**
 * What `begin` and `finish` answer: the process exit status, or "take the lock, then call finish".
 */
export const EXIT_OK = 0;
export const EXIT_ERROR = 1;
/** Of an operator's verb: its arguments are wrong. */
export const EXIT_USAGE = 2;
export const NEED_LOCK = 256;
/** `fault`: call finish again, without a lock: there is more to be done. */
export const NEED_CALL = 257;

/** How long a caller waits for the lock of a network (milliseconds). */
export const LOCK_TIMEOUT_MS = 60000;

/** How long a directory must be unchanged until its time of change tells the next change (ns). */
export const SETTLED_NS = 200000000;

/** Largest network configuration on stdin (bytes). */
export const STDIN_MAX = 1048576;
