/* many BITS FILL ROUNDS: slotsTakeMany and slotsGiveMany of rooms.wasm through wasm2c, the same
 * work as inV8 of inside.ts: a pool of 2^BITS slots (at least 2^14) that is FILL ten-thousandths
 * full, ROUNDS times 64 batches of 1,024.
 * Prints the hash, then the nanoseconds for an operation of each round but the first tenth. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "numbers.h"
#include "rooms.h"

enum { MANY = 16384, BATCH = 1024, BATCHES = 64 };

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

int main(int count, char **words) {
  if (count != 4) return 2;
  const u32 bits = atoi(words[1]), full = atoi(words[2]), rounds = atoi(words[3]);
  memory.pages = memory.max_pages = (WINDOW_END + SCRATCH_BYTES) / 65536;
  memory.size = (uint64_t)memory.pages * 65536;
  memory.data = mmap(0, memory.size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  double *ns = calloc(rounds, sizeof *ns);
  if (memory.data == MAP_FAILED || !ns) return 1;
  wasm2c_rooms_instantiate(&core, 0);
  w2c_rooms_deskSit(&core, 0);
  w2c_rooms_heapFormat(&core);
  const u32 cell = w2c_rooms_slotsMake(&core, bits, 0, 0, 1), at = w2c_rooms_transferArea(&core);
  u32 *slots = (u32 *)(memory.data + at), hash = 0;
  if (full) fill(cell, at, slots, 1u << bits, full);
  for (u32 round = 0; round < rounds; round++) {
    const uint64_t begin = now();
    for (u32 i = 0; i < BATCHES; i++) {
      w2c_rooms_slotsTakeMany(&core, cell, 0, at, BATCH, 4);
      hash = (hash ^ slots[i]) * 0x01000193u;
      w2c_rooms_slotsGiveMany(&core, cell, 0, at, BATCH, 4);
    }
    ns[round] = (double)(now() - begin) / (BATCHES * 2.0 * BATCH);
  }
  printf("%u\n", hash);
  for (u32 round = (rounds + 9) / 10; round < rounds; round++) printf("%.3f\n", ns[round]);
}
