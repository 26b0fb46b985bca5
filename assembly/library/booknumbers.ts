// Numbers that the Ipam in TypeScript and its core share: the block through which they talk, and
// what the calls answer. Only plain `export const NAME = literal`.
//
//   block   | numbers in | numbers out | owner or path | interface | name |

/** Words of 64 bits in: where pools (one word each) and addresses (three) begin. */
export const IN_POOLS = 0;
export const IN_WANTED = 64;
/** Where the words out begin (bytes), and how many there are. */
export const OUT_AT = 32768;
export const OUT_WORDS = 2048;
export const OWNER_AT = 49152;
export const OWNER_BYTES = 4352;
export const IFNAME_AT = 53504;
export const IFNAME_BYTES = 64;
/** The rest is the name's: 640 bytes. */
export const NAME_AT = 53568;
export const BLOCK_BYTES = 54208;

/** How an image is opened. */
export const MODE_EXCLUSIVE = 1;
export const MODE_PER_CALL = 2;
export const MODE_READER = 3;

/** What calls answer, besides 0, the allocator's FAIL_ numbers (1 to 7) and -errno. */
export const BOOK_NOT_FOUND = 10;
export const BOOK_NO_NAME = 11;
export const BOOK_RESERVED = 12;
export const BOOK_NO_POOL = 13;
export const POOL_FOUND = 20;
export const POOL_CONFLICT = 21;
export const POOL_OVERLAP = 22;
export const POOL_NAMED = 23;

/** Which parts of a pool's definition the caller named (bits). */
export const GIVEN_POLICY = 1;
export const GIVEN_COOLDOWN = 2;
export const GIVEN_GATEWAY = 4;
export const GIVEN_EXCLUDE = 8;
export const GIVEN_NAME = 16;

/** States that `bookExplain` answers. */
export const IS_FREE = 0;
export const IS_ALLOCATED = 1;
export const IS_RESERVED = 2;
export const IS_COOLING = 3;
export const IS_EXCLUDED = 4;
export const IS_GATEWAY = 5;
export const IS_OUTSIDE = 6;

/** Pools that one allocation takes addresses from, at most. */
export const POOLS_MAX = 32;
export const WANTED_MAX = 64;
