/* many BITS FILL: slotsTakeMany and slotsGiveMany of rooms.wasm through wasm2c, the same work as
 * OwnTurns of inside.ts: a pool of 2^BITS slots (at least 2^14) that is FILL ten-thousandths full.
 * Reads from standard input how many rounds of 64 batches of 1,024 to time next, a number a line,
 * and answers each with their nanoseconds for an operation; at the end with the hash. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "numbers.h"
#include "rooms.h"

enum { MANY = 16384, BATCH = 1024, BATCHES = 64, ROUNDS_MAX = 1000 };

static w2c_rooms core;
static wasm_rt_memory_t memory;

wasm_rt_memory_t *w2c_env_memory(struct w2c_env *env) { return &memory; }

_Noreturn void wasm_rt_trap(wasm_rt_trap_t why) { abort(); }

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fill(u32 cell, u32 at, u32 *slots, u32 size, u32 full) {
  for (u32 from = 0; from < size; from += MANY)
    w2c_rooms_slotsTakeMany(&core, cell, 0, at, MANY, 4);
  for (u32 from = 0; from < size;) {
    u32 n = 0;
    for (; n < MANY && from < size; from++)
      if (from * 2654435761u % 10000 >= full) slots[n++] = from;
    w2c_rooms_slotsGiveMany(&core, cell, 0, at, n, 4);
  }
}

/* One round; its nanoseconds for an operation. */
static double timed(u32 cell, u32 at, const u32 *slots, u32 *hash) {
  const uint64_t begin = now();
  for (u32 i = 0; i < BATCHES; i++) {
    w2c_rooms_slotsTakeMany(&core, cell, 0, at, BATCH, 4);
    *hash = (*hash ^ slots[i]) * 0x01000193u;
    w2c_rooms_slotsGiveMany(&core, cell, 0, at, BATCH, 4);
  }
  return (double)(now() - begin) / (BATCHES * 2.0 * BATCH);
}

int main(int count, char **words) {
  if (count != 3) return 2;
  const u32 bits = atoi(words[1]), full = atoi(words[2]);
  memory.pages = memory.max_pages = (WINDOW_END + SCRATCH_BYTES) / 65536;
  memory.size = (uint64_t)memory.pages * 65536;
  memory.data = mmap(0, memory.size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory.data == MAP_FAILED) return 1;
  wasm2c_rooms_instantiate(&core, 0);
  w2c_rooms_deskSit(&core, 0);
  w2c_rooms_heapFormat(&core);
  const u32 cell = w2c_rooms_slotsMake(&core, bits, 0, 0, 1), at = w2c_rooms_transferArea(&core);
  u32 *slots = (u32 *)(memory.data + at), hash = 0;
  if (full) fill(cell, at, slots, 1u << bits, full);
  static double ns[ROUNDS_MAX];
  for (u32 rounds; scanf("%u", &rounds) == 1;) {
    if (rounds < 1 || rounds > ROUNDS_MAX) return 2;
    for (u32 round = 0; round < rounds; round++) ns[round] = timed(cell, at, slots, &hash);
    for (u32 round = 0; round < rounds; round++)
      printf("%c%.3f", round == 0 ? '[' : ',', ns[round]);
    puts("]");
    fflush(stdout);
  }
  printf("{\"hash\":%u}\n", hash);
}
