// Every call from the core to the outside. The native host (native/host.c) and the Node host
// (src/host.ts) implement exactly these functions under the import module name "host"; nothing else
// in assembly/ touches the world. Hosts move bytes, they decide nothing.
//
// Conventions: pointers are addresses in WebAssembly memory; texts are bytes with a length, never
// NUL-terminated; a negative answer is -errno (Linux numbers); names are relative to the directory
// that `enter` opened and are opened with O_NOFOLLOW | O_CLOEXEC.

/**
 * Value of an environment variable: its length in bytes (at most `cap` are copied), -1 if unset.
 */
export declare function env(name: usize, nameLen: i32, into: usize, cap: i32): i32;

/** Command-line argument `index` (0 = first after the program): its length, -1 if there is none. */
export declare function argument(index: i32, into: usize, cap: i32): i32;

/** Reads stdin to its end. Bytes read; `cap + 1` if there was more than `cap`. */
export declare function stdin(into: usize, cap: i32): i32;

/** Gives the lock back, so that nobody waits while the answer is written. Safe without a lock. */
export declare function unlock(): void;

/** Writes all bytes to fd 1 or 2. 0 or -errno (SIGPIPE is ignored: -EPIPE). */
export declare function output(fd: i32, from: usize, len: i32): i32;

/** Nanoseconds: which = 0 CLOCK_BOOTTIME, 1 CLOCK_REALTIME. */
export declare function clock(which: i32): i64;

/** Fills `len` bytes with random ones from the kernel. 0 or -errno. */
export declare function random(into: usize, len: i32): i32;

/**
 * Reads a whole regular file by path, following symlinks, opened O_NONBLOCK so that a FIFO can't
 * hang us. Bytes read; `cap + 1` if the file has more; -EISDIR for a directory, -EINVAL for what is
 * neither a file nor a directory.
 */
export declare function slurp(path: usize, pathLen: i32, into: usize, cap: i32): i32;

/**
 * Inode number of the network namespace at `path`; -1 if it is this process's own; 0 if `path`
 * doesn't open or isn't a namespace.
 */
export declare function netns(path: usize, pathLen: i32): i64;

/**
 * Opens the directory in which all names below live. create = 1 makes it and its parents (0755).
 * 0 or -errno.
 */
export declare function enter(path: usize, pathLen: i32, create: i32): i32;

/**
 * Opens a regular file of the entered directory: a handle >= 0, or -errno (-ELOOP for a symlink,
 * -EINVAL for what isn't a regular file). mode 0: read only; 1: read and write; 2: read and write,
 * create (0600), must not exist (O_EXCL); 3: append all that is written, create it if need be.
 */
export declare function open(name: usize, nameLen: i32, mode: i32): i32;

/** Closes a handle. */
export declare function close(handle: i32): void;

/** Size of an open file in bytes, or -errno. */
export declare function size(handle: i32): i64;

/** Reads up to `len` bytes at offset `at`. Bytes read (short only at the end of the file). */
export declare function read(handle: i32, at: u32, into: usize, len: u32): i32;

/** Writes all `len` bytes at offset `at`. 0 or -errno. */
export declare function write(handle: i32, at: u32, from: usize, len: u32): i32;

/**
 * Makes the file at least `len` bytes long with its blocks reserved (fallocate; zeros are written
 * where the file system has none). New bytes are zero. 0 or -errno.
 */
export declare function allocate(handle: i32, len: u32): i32;

/** fdatasync of a file. 0 or -errno. */
export declare function sync(handle: i32): i32;

/** fsync of the entered directory. 0 or -errno. */
export declare function syncDirectory(): i32;

/**
 * Makes the first `len` bytes of the file visible at memory address `at` (64 KiB-aligned) as a
 * private copy: stores never reach the file. 0 or -errno.
 */
export declare function view(handle: i32, len: u32, at: usize): i32;

/** Makes memory [at, at + len) usable and zero (page-aligned). 0 or -errno. */
export declare function extend(at: usize, len: u32): i32;

/**
 * Says that the page at this address will be written to, where a host may take it for writing at
 * its first touch: one page fault instead of one that reads and one that writes. Changes no byte.
 */
export declare function unshare(at: usize): void;

/** Renames within the entered directory, replacing the target. 0 or -errno. */
export declare function rename(from: usize, fromLen: i32, to: usize, toLen: i32): i32;

/** Removes a file of the entered directory. 0 or -errno. */
export declare function unlink(name: usize, nameLen: i32): i32;

/**
 * Names in the entered directory that begin with `prefix`, each followed by a NUL byte, as many as
 * fit into `cap`. Bytes written, or -errno.
 */
export declare function list(prefix: usize, prefixLen: i32, into: usize, cap: i32): i32;

/** Inode number of what `path` leads to (symlinks are followed), or -errno. */
export declare function inode(path: usize, pathLen: i32): i64;

/**
 * Names in the directory at `path`, each followed by a NUL byte. Bytes written; `cap + 1` if they
 * don't fit; -errno.
 */
export declare function listAt(path: usize, pathLen: i32, into: usize, cap: i32): i32;

/**
 * Locks a file of the entered directory as host-local does (flock, made if it isn't there), waiting
 * in line as long as for our own lock. Held until `unlock`. 0; -EAGAIN: the time was up; -errno.
 */
export declare function flock(name: usize, nameLen: i32): i32;

/** Time of the last change of an open file's bytes (nanoseconds since 1970), or -errno. */
export declare function touched(handle: i32): i64;

/** Sets that time (seconds since 1970). 0 or -errno. */
export declare function touch(handle: i32, seconds: u32): i32;

/**
 * Time of the last change of the entered directory's names (nanoseconds since 1970), if whatever
 * changes from now on gets another time: it must lie back longer than a clock's grain (0.2 s), and
 * a file system that keeps whole seconds tells nothing. 0 where it can't be told. `high`, `low`:
 * halves of what an earlier call answered; if it still is that, no clock is asked.
 */
export declare function settled(high: u32, low: u32): i64;

/** From here on nobody waits for a lock longer than this (milliseconds). */
export declare function patience(ms: i32): void;

/**
 * Runs a program on this process's environment (and BERTH_SHADOW=1) with these bytes as its stdin.
 * Its stderr is ours; its stdout is passed on to ours as it comes, the first `cap` bytes of it are
 * also copied to `into`. Answers exit status (128 + signal) << 32 | bytes of stdout, or -errno: it
 * didn't begin, nothing was printed.
 */
export declare function run(
  path: usize,
  pathLen: i32,
  from: usize,
  length: u32,
  into: usize,
  cap: u32,
): i64;

/** Sets the mode of an open file (0755 = 493), whatever the umask is. 0 or -errno. */
export declare function permit(handle: i32, mode: i32): i32;

/** 1 if fd 1 or 2 is a terminal, else 0. */
export declare function terminal(fd: i32): i32;

/**
 * Path of the native executable: this one, or what the build has made beside the Node program. Its
 * length in bytes (at most `cap` are copied).
 */
export declare function program(into: usize, cap: i32): i32;
