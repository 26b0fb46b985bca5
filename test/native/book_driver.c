// test/fixtures/book.ts as C, driven by a script on stdin (test/support/book.ts writes it): one
// line in, one answer out; a text has no answer; "trap" where the core traps.
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "book.h"
#include "numbers.h"

enum { OUT_AT = 512, PAGE = 65536 };

static w2c_book core;
static wasm_rt_memory_t memory;
static jmp_buf trapped;
static u32 length;

wasm_rt_memory_t *w2c_env_memory(struct w2c_env *env) { return &memory; }

// A record with host-local's files would ask for them; these have none.
u32 w2c_host_open(struct w2c_host *h, u32 name, u32 length, u32 mode) { return (u32)-2; }
void w2c_host_close(struct w2c_host *h, u32 handle) {}
u64 w2c_host_size(struct w2c_host *h, u32 handle) { return (u64)-2; }
u32 w2c_host_read(struct w2c_host *h, u32 handle, u32 at, u32 into, u32 length) { return (u32)-2; }
u32 w2c_host_unlink(struct w2c_host *h, u32 name, u32 length) { return (u32)-2; }
u32 w2c_host_touch(struct w2c_host *h, u32 handle, u32 seconds) { return (u32)-2; }
// The recorder would ask for the time, if there were a ring.
u64 w2c_host_clock(struct w2c_host *h, u32 which) { return 0; }

_Noreturn void wasm_rt_trap(wasm_rt_trap_t why) { longjmp(trapped, 1); }

static void text(u8 *block, const char *line) {
  int n = 0;
  unsigned where, byte;
  sscanf(line, "t %x %n", &where, &n);
  for (const char *p = line + n; sscanf(p, "%2x", &byte) == 1; p += 2) block[where++] = byte;
}

static void run(u8 *block, char *line) {
  char *p = line + 1;
  u32 code = strtoul(p, &p, 16);
  u64 value, first = 0;
  for (int n = 0; *p == ' '; n++) {
    value = strtoull(p, &p, 16);
    if (n == 0) first = value;
    memcpy(block + 8 * n, &value, 8);
  }
  if (code == 0) length = first;
  if (setjmp(trapped)) {
    puts("trap");
    return;
  }
  printf("%" PRIx64, w2c_book_run(&core, code));
  u32 outs = w2c_book_outs(&core);
  for (u32 n = 0; n < outs; n++) {
    memcpy(&value, block + OUT_AT + 8 * n, 8);
    printf(" %" PRIx64, value);
  }
  puts("");
}

static void digest(void) {
  u32 hash = 0x811c9dc5, word;
  for (u32 at = 0; at + 4 <= length; at += 4) {
    memcpy(&word, memory.data + WINDOW_BASE + at, 4);
    hash = (hash ^ word) * 0x01000193u;
  }
  printf("%x\n", hash);
}

int main(void) {
  static char line[16384];
  memory.size = WINDOW_END + (u64)SCRATCH_BYTES;
  memory.pages = memory.max_pages = memory.size / PAGE;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  memory.data = mmap(NULL, memory.size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory.data == MAP_FAILED) return 1;
  wasm2c_book_instantiate(&core, NULL, NULL);
  u8 *block = (u8 *)memory.data + w2c_book_block(&core);
  while (fgets(line, sizeof line, stdin)) {
    if (*line == 't') text(block, line);
    else if (*line == 'r') run(block, line);
    else digest();
  }
  return 0;
}
