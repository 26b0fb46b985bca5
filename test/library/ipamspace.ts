// Directories for the Ipam's tests, and what a test asks of every state that it leaves behind.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { IpamError } from "../../src/errors.ts";
import { type Ipam, openIpam } from "../../src/ipam/ipam.ts";
import { checkNetwork } from "../support/check.ts";

const made: string[] = [];

/** A fresh directory; removed by `removeSpaces`. */
export function space(): string {
  const dir = mkdtempSync(join(tmpdir(), "berth-ipam-"));
  made.push(dir);
  return join(dir, "net");
}

export function removeSpaces(): void {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
}

/** The files as a crash of the process would leave them now. */
export function crashed(path: string): string {
  const copy = space();
  mkdirSync(copy, { recursive: true });
  for (const name of readdirSync(path)) copyFileSync(join(path, name), join(copy, name));
  return copy;
}

/** The files of a directory have no fault. */
export async function sound(path: string, what = ""): Promise<void> {
  expect(await checkNetwork(path), what).toEqual([]);
}

/** The IpamError that `work` throws. */
export function refusal(work: () => unknown): IpamError {
  try {
    work();
  } catch (error) {
    if (error instanceof IpamError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** Code and value of the IpamError that `work` throws. */
export function codes(work: () => unknown): [string, unknown] {
  const { code, value } = refusal(work);
  return [code, value];
}

/** Opens a directory, works on it, finds no fault, closes it. */
export function used<T>(path: string, work: (ipam: Ipam) => T, options = {}): T {
  using ipam = openIpam(path, options);
  const answer = work(ipam);
  expect(ipam.check()).toEqual([]);
  return answer;
}
