/** The names of failures: those of Code in check/code.go, the same in the vectors. */
export type Code =
  | "identity" | "checkpoint" | "unwitnessed" | "inclusion" | "not-pinned" | "ledger-changed" | "origin" | "statement" | "expired"
  | "not-yet" | "clock" | "rollback" | "fork" | "consistency" | "chain" | "policy-weaker" | "too-coarse" | "proof" | "element" | "scalar" | "audit" | "bucket" | "entry" | "answer" | "busy" | "server"
  | "network";

/**
 * A Failure has a name that never changes; what a person reads about it is in
 * the page. The message is for whoever debugs, and never holds an identifier.
 */
export class Failure extends Error {
  evidence: string | undefined; // what a server said that cannot all be true, as a file to be kept

  constructor(readonly code: Code, message: string, readonly reason?: string) {
    super(message);
    this.name = "Failure";
  }
}

/** Gives what f gives; an error of another kind becomes a Failure of this name. */
export function named<T>(code: Code, f: () => T): T {
  try {
    return f();
  } catch (e) {
    if (e instanceof Failure) throw e;
    throw new Failure(code, e instanceof Error ? e.message : String(e));
  }
}
