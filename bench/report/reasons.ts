// Reasons: why rows fall short of what was asked for. The page names each missed target with one.
import type { Row } from "../method/row.ts";

interface Reason {
  applies(row: Row): boolean;
  text: string;
}

const REASONS: readonly Reason[] = [
  {
    applies: ({ suite, target }) => suite === "plugin" && target?.startsWith(">=") === true,
    text:
      "In alternation a call of Berth right after a large process finds cold caches (the table " +
      "by what ran right before it has those apart): exec and exit, each system call and each " +
      "page fault take longer then. `--turn 5` (five calls of one program in a row) shows how " +
      "much of it that is. Where a peer is quick, a tenth of its time is little more than a " +
      "program takes that does nothing.",
  },
  {
    applies: ({ suite, target }) => suite === "plugin" && target?.includes("Berth <=") === true,
    text: "The floor is an empty program; the rest is system calls and page faults of the call.",
  },
  {
    applies: ({ suite, table, what }) =>
      suite === "core" && table.startsWith("take and give by slot") && what.includes("99"),
    text:
      "In a nearly full pool each slot lies under words of the bitmap of its own, and whether " +
      "a word has another is a coin's toss for the processor. Takes in a row fetch up to 64 " +
      "slots a call, with the next words loaded ahead; it all takes longer where another guest " +
      "works on the same core.",
  },
  {
    applies: ({ suite, table }) => suite === "core" && table.startsWith("take and give by slot"),
    text:
      "An empty /24 is the least that a call can cost: where that row is close to the aim, the " +
      "machine leaves nothing for the rest.",
  },
  {
    applies: ({ table }) => table === "take and give inside WebAssembly",
    text:
      "The same module compiled by V8 and, through wasm2c, by gcc -O3, many slots a call; V8's " +
      "code loses more than gcc's where another guest works on the same core (see the passes).",
  },
  {
    applies: ({ suite, what }) => suite === "plugin" && what.includes("60,000"),
    text:
      "With more held, cells, buckets and leaves lie on more pages, and each is a page fault of " +
      "the call.",
  },
  {
    applies: ({ suite, what }) => suite === "store" && what === "64 at once",
    text:
      "Computing an allocation takes longer than its share of a sync: one half of the callers' " +
      "is computed while the disk syncs the other half's. How much that is, the row of a bare " +
      "log that computes as long shows.",
  },
  {
    applies: ({ suite, what }) => suite === "store" && what === "1 at once",
    text:
      "An allocation and its commit are computed before their sync begins: the faster the disk, " +
      "the larger their share.",
  },
  {
    applies: ({ suite, what }) => suite === "store" && what.startsWith("open "),
    text:
      "Opening reads every byte of the image once, as the row beside it does and nothing else: " +
      "where that alone takes as long, the machine copies slowly.",
  },
  {
    applies: ({ suite, table }) => suite === "core" && table === "snapshots",
    text:
      "Berth hashes every byte as well, plain bytes aren't hashed: the faster the disk, the " +
      "larger that share.",
  },
];

/** Why the row missed its target. */
export function reasonOf(row: Row): string {
  const found = REASONS.find((reason) => reason.applies(row));
  return found?.text ?? "Not explained yet: look at the load and the spread of this run first.";
}
