// A run of a peer in Go: its program does one row on one allocator and times as many rounds as it
// is asked for (waiting.ts; bench/peers/go/README.md has the protocol). At the end it says what it
// gave, and the memory that it took.
import { programOf } from "./go.ts";
import { Waiting } from "./waiting.ts";

/** Figures of one peer on one row. */
export interface GoResult {
  peer: string;
  row: string;
  policy: string;
  common: boolean;
  /** Nanoseconds for one call, a number for each round of all turns. */
  ns: number[];
  hash: string;
  /** In use by the peer when `held` slots are held. */
  bytes: number;
  held: number;
}

/** What is asked for; a fill row has its own number of operations. */
export interface GoOrder {
  peer: string;
  row: string;
  seed: bigint | number;
  operations: number;
  /** Where the programs are kept. */
  out?: string;
  /** How long an answer may take. */
  ms?: number;
}

export class GoRun extends Waiting<GoResult> {
  /** Throws for a peer that goPeers() doesn't list. */
  constructor({ peer, row, seed, operations, out, ms }: GoOrder) {
    const args = ["run", "--peer", peer, "--row", row];
    args.push("--seed", String(seed), "--operations", String(operations));
    super(programOf(peer, out), args, { name: `${peer}, ${row}`, ms });
  }
}
