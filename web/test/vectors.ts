import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { Failure } from "../src/failure.ts";

/** Reads a file of vectors that Go reads too. The tests run from web/.test. */
export const vectors = (path: string): any => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"));

export const hex = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "hex"));

/** Requires that f fails by this name. */
export function fails(code: string, f: () => unknown, what?: string): void {
  let got: unknown = "no failure";
  try {
    f();
  } catch (e) {
    got = e instanceof Failure ? e.code : e;
  }
  assert.equal(got, code, what);
}
