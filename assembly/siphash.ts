// SipHash-1-3: the keyed hash behind the indexes and the checksums. The key is random for each
// image, so that chosen names can't build long chains and chance can't fake a record.
// Half a nanosecond a byte at most; refuses nothing. The state lives in locals: as globals, V8
// would store and load all four words in each round.

/** Hash of `bytes` bytes in memory at `at` under the key (k0, k1). */
export function sipHash(k0: u64, k1: u64, at: usize, bytes: u32): u64 {
  let v0 = k0 ^ 0x736f6d6570736575;
  let v1 = k1 ^ 0x646f72616e646f6d;
  let v2 = k0 ^ 0x6c7967656e657261;
  let v3 = k1 ^ 0x7465646279746573;
  const end = at + (bytes & ~7);
  let m: u64 = 0;
  for (; at < end; at += 8) {
    m = load<u64>(at);
    v3 ^= m;
    v0 += v1;
    v2 += v3;
    v1 = rotl(v1, 13) ^ v0;
    v3 = rotl(v3, 16) ^ v2;
    v0 = rotl(v0, 32) + v3;
    v2 += v1;
    v3 = rotl(v3, 21) ^ v0;
    v1 = rotl(v1, 17) ^ v2;
    v2 = rotl(v2, 32);
    v0 ^= m;
  }
  m = (<u64>bytes) << 56;
  for (let i: u32 = 0; i < (bytes & 7); i++) m |= (<u64>load<u8>(at + i)) << ((<u64>i) << 3);
  // The last message, and three rounds without one.
  for (let step = 0; step < 4; step++) {
    v3 ^= m;
    v0 += v1;
    v2 += v3;
    v1 = rotl(v1, 13) ^ v0;
    v3 = rotl(v3, 16) ^ v2;
    v0 = rotl(v0, 32) + v3;
    v2 += v1;
    v3 = rotl(v3, 21) ^ v0;
    v1 = rotl(v1, 17) ^ v2;
    v2 = rotl(v2, 32);
    v0 ^= m;
    if (step == 0) v2 ^= 0xff;
    m = 0;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}

/** Hash of two words, for what is no text: addresses and hashes of hashes. */
export function sipPair(k0: u64, k1: u64, a: u64, b: u64): u64 {
  let v0 = k0 ^ 0x736f6d6570736575;
  let v1 = k1 ^ 0x646f72616e646f6d;
  let v2 = k0 ^ 0x6c7967656e657261;
  let v3 = k1 ^ 0x7465646279746573;
  let m = a;
  for (let step = 0; step < 5; step++) {
    v3 ^= m;
    v0 += v1;
    v2 += v3;
    v1 = rotl(v1, 13) ^ v0;
    v3 = rotl(v3, 16) ^ v2;
    v0 = rotl(v0, 32) + v3;
    v2 += v1;
    v3 = rotl(v3, 21) ^ v0;
    v1 = rotl(v1, 17) ^ v2;
    v2 = rotl(v2, 32);
    v0 ^= m;
    if (step == 1) v2 ^= 0xff;
    m = step == 0 ? b : 0;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}
