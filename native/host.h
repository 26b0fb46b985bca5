// The native host's own nouns, shared by host.c, files.c and world.c.
#ifndef BERTH_HOST_H_
#define BERTH_HOST_H_

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "numbers.h"
#include "wasm-rt.h"

typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;
struct w2c_host;

/** The directory that the core entered: all its names are relative to it. -1 before `enter`. */
extern int directory;

/** The command line after the program's name. */
extern char **arguments;
extern int argumentCount;

/** The file that carries the lock of a network; never renamed, never removed. */
#define LOCK_NAME "berth.lock"
/** The longest wait that BERTH_LOCK_TIMEOUT_MS can ask for. */
#define LOCK_TIMEOUT_MAX_MS 600000

/** The longest path and the longest name that Linux takes, with the NUL. */
#define PATH_BYTES 4096
#define NAME_BYTES 256

/** Bytes for a text of `length` with its NUL: an array of just that touches no more stack. */
#define ROOM(length) ((length) < PATH_BYTES ? (length) + 1 : 1)

/** The byte at a WebAssembly address. */
static inline char *memory(u32 address) { return (char *)((uintptr_t)WASM_RT_BASE + address); }

/** What the ABI answers for a system call's result: itself, or -errno. */
static inline s64 answer(s64 result) { return result < 0 ? -errno : result; }

/** Puts a variable behind scratch, so that those in use stay on one page (scripts/layout.mjs). */
#define RARE __attribute__((section(".sbss.rare")))

/** Repeats a system call that a signal cut short. */
#define AGAIN(result, call)                          \
  do {                                               \
    result = (call);                                 \
  } while (result < 0 && errno == EINTR)

/** Copies a text of the core and ends it with NUL: 0, -ENAMETOOLONG, -EINVAL for a NUL inside. */
int terminated(char *into, u32 capacity, u32 from, u32 length);

/** Value of an environment variable, or NULL. */
const char *variable(const char *name, u32 length);

#endif
