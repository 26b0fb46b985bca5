// rooms.wasm as C, driven by operations on stdin: test/support/rooms.ts lists them and does the
// same on the module itself. One line in, one answer out; "trap" where the core traps.
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "numbers.h"
#include "rooms.h"

enum { ROOT = 64, ARENA = 1024, FIRST = 4096, PAGE = 65536 };
static const u32 BLOCKS[] = {16, 32, 40, 64, 72, 128, 136, 264, 552};

static w2c_rooms core;
static wasm_rt_memory_t memory;
static jmp_buf trapped;
static u32 slots, length;

wasm_rt_memory_t *w2c_env_memory(struct w2c_env *env) { return &memory; }

_Noreturn void wasm_rt_trap(wasm_rt_trap_t why) { longjmp(trapped, 1); }

static void begin(u32 bytes) {
  memset(memory.data + WINDOW_BASE, 0, length);
  length = bytes;
  w2c_rooms_imageAttach(&core, WINDOW_BASE, bytes);
}

static u32 digest(void) {
  u32 hash = 0x811c9dc5, word;
  for (u32 at = 0; at + 4 <= length; at += 4) {
    memcpy(&word, memory.data + WINDOW_BASE + at, 4);
    hash = (hash ^ word) * 0x01000193u;
  }
  return hash;
}

static void check(void) {
  u32 live = 0;
  w2c_rooms_blocksBegin(&core, length);
  u32 faults = w2c_rooms_radixCheck(&core, ROOT);
  for (unsigned i = 0; i < sizeof BLOCKS / sizeof *BLOCKS; i++)
    live += BLOCKS[i] * w2c_rooms_arenaLive(&core, BLOCKS[i]);
  u32 lost = live - (u32)w2c_rooms_blocksClaimed(&core);
  w2c_rooms_blocksEnd(&core);
  printf("%x %x\n", faults, lost);
}

static void found(u32 answer) {
  if (!answer) puts("-");
  else printf("%" PRIx64 ":%" PRIx64 "\n", *w2c_rooms_foundHi(&core), *w2c_rooms_foundLo(&core));
}

static u32 bitmap(char code, u64 value) {
  u32 slot = value;
  switch (code) {
    case 'b':
      slots = slot;
      begin(FIRST + w2c_rooms_bitmapBytes(&core, slots));
      return length - FIRST;
    case 't': return w2c_rooms_bitmapTake(&core, FIRST, slots, slot);
    case 'g': return w2c_rooms_bitmapGive(&core, FIRST, slots, slot);
    case 'h': return w2c_rooms_bitmapHas(&core, FIRST, slots, slot);
    case 'f': return w2c_rooms_bitmapNextFree(&core, FIRST, slots, slot);
    case 'n': return w2c_rooms_bitmapNextTaken(&core, FIRST, slots, slot);
    case 'x': return w2c_rooms_bitmapTakeNext(&core, FIRST, slots, slot);
    case 'c': return w2c_rooms_bitmapCount(&core, FIRST, slots);
    case 'k': return w2c_rooms_bitmapCheck(&core, FIRST, slots);
  }
  exit(2);
}

static u64 radix(char code, const u64 *v) {
  switch (code) {
    case 'R':
      begin(v[0]);
      w2c_rooms_arenaFormat(&core, ARENA, FIRST, v[0]);
      return 0;
    case 'T': return w2c_rooms_radixTake(&core, ROOT, v[0], v[1]);
    case 'G': return w2c_rooms_radixGive(&core, ROOT, v[0], v[1]);
    case 'H': return w2c_rooms_radixHas(&core, ROOT, v[0], v[1]);
    case 'C': return w2c_rooms_radixCountWithin(&core, ROOT, v[0], v[1], v[2], v[3]);
    case 'S': return w2c_rooms_radixCount(&core, ROOT);
    case 'E': return w2c_rooms_radixFree(&core, ROOT, v[0]);
    case 'D': return digest();
    case 'U': return w2c_rooms_journalUndo(&core), 0;
    case 'J': return w2c_rooms_journalOpen(&core), w2c_rooms_journalClear(&core), 0;
  }
  exit(2);
}

static void run(char code, const u64 *v) {
  if (setjmp(trapped)) puts("trap");
  else if (code >= 'a') printf("%x\n", bitmap(code, v[0]));
  else if (code == 'K') check();
  else if (code == 'F') found(w2c_rooms_radixNextFree(&core, ROOT, v[0], v[1], v[2], v[3]));
  else if (code == 'N') found(w2c_rooms_radixNextTaken(&core, ROOT, v[0], v[1], v[2], v[3]));
  else printf("%" PRIx64 "\n", radix(code, v));
}

int main(void) {
  char line[128];
  memory.size = WINDOW_END + (u64)SCRATCH_BYTES;
  memory.pages = memory.max_pages = memory.size / PAGE;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  memory.data = mmap(NULL, memory.size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory.data == MAP_FAILED) return 1;
  wasm2c_rooms_instantiate(&core, NULL);
  w2c_rooms_scratchAssignAll(&core);
  while (fgets(line, sizeof line, stdin)) {
    u64 v[4] = {0};
    char code;
    sscanf(line, " %c %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, &code, v, v + 1, v + 2, v + 3);
    run(code, v);
  }
  return 0;
}
