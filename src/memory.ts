// The memory on which each module works: address space until it is touched, never grown.
//
//   | nothing 64 KiB | window: image or heap, up to 1 GiB | static data, scratch 32 MiB |
import { SCRATCH_BYTES, WINDOW_END } from "../assembly/numbers.ts";

const PAGE_BYTES = 65536;

/** Pages of every module's memory. */
export const MEMORY_PAGES = (WINDOW_END + SCRATCH_BYTES) / PAGE_BYTES;
