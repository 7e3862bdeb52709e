// What the page and its worker say to each other.

import type { Code } from "./failure.ts";
import type { Progress } from "./fetching.ts";
import type { VerifyStep } from "./verify.ts";

/** Where pages keep what they remember of ledgers. */
export const PINS = "shirase.ledgers";

/** Values by the names that the page's hooks use. */
export interface Names {
  [name: string]: string | number | boolean | Names[];
}

export interface Settings {
  base: string; // the server's URL
  keys: string[]; // the operator's ledger keys
  region: string; // for telephone numbers
  lang: string; // of the page, for titles
  pins: string | null; // as stored
}

export type ToWorker = { id: number; settings: Settings } & (
  | { ask: "warm" }
  | { ask: "check"; texts: string[]; kind: string; organisation: string; audit: boolean }
  | { ask: "verify"; file: ArrayBuffer }
  | { ask: "stop" }
  | { ask: "kept"; other: { now: string | null } | undefined } // the answer to what was to be kept, with its id
);

/**
 * How an answer is shown. dropped: in an earlier revision, and in no current
 * one. incomplete: in nothing that was checked, and the server did not give all
 * of it. unchecked: nothing was checked, and not because everything is under
 * investigation.
 */
export type Display = "affected" | "dropped" | "not-in-scope" | "incomplete" | "investigating" | "unchecked";

export type FromWorker = { id: number } & (
  | { keep: string; before: string | null } // to be stored where what was before is stored still; the id is the worker's own
  | { refused: { index: number; reason: string } } // of the texts; nothing was asked
  | { asking: string[] } // the canonical values that are being checked, without repetitions
  | { index: number; progress: Progress }
  | { index: number; display: Display; names: Names; file: string }
  | { index: number; failure: Code; names: Names; evidence?: string }
  | { verifying: VerifyStep }
  | { proven: Display; names: Names }
  | { done: true }
);
