// Whose signatures make a checkpoint good: a key of the ledger, and a quorum of
// witnesses (c2sp.org/tlog-policy). It mirrors check/policy.go.

import { toBase64url, utf8 } from "./encoding.ts";
import { COSIGNATURE, parseVerifierKey, type VerifierKey } from "./note.ts";

const MAX_POLICY = 4 << 10; // bytes
const MAX_WITNESSES = 16;
const MAX_NAMED = 128; // witnesses and groups

export interface Witness {
  name: string; // within the policy
  key: VerifierKey;
}

export interface Policy {
  witnesses: Witness[];
  quorum: Member | undefined; // undefined: none
}

/** A witness, or a group of members of which a number has to sign. */
type Member = { witness: VerifierKey; taken: boolean } | { of: Member[]; least: number; taken: boolean };

export const NO_WITNESSES: Policy = { witnesses: [], quorum: undefined };

/** Reads the policy of a statement: "" is quorum none. It names no log and few witnesses. */
export function statementPolicy(text: string): Policy {
  const policy: Policy = { witnesses: [], quorum: undefined };
  if (text === "") return policy;
  if (utf8(text).length > MAX_POLICY) throw new Error("a policy that is too long");
  const named = new Map<string, Member | undefined>([["none", undefined]]);
  let quorum: string | undefined;
  for (const line of text.split("\n")) {
    const [keyword, name = "", ...rest] = fields(line);
    if (keyword === undefined) continue;
    if (name === "") throw new Error("a line without a name");
    if (keyword === "quorum") {
      if (quorum !== undefined || rest.length > 0 || !named.has(name)) throw new Error("a second quorum, or one that is not defined above");
      quorum = name;
      continue;
    }
    if (named.has(name)) throw new Error("a name is taken");
    if (keyword === "witness") named.set(name, witness(policy, name, rest));
    else if (keyword === "group" && named.size <= MAX_NAMED) named.set(name, group(rest, named));
    else throw new Error("a line is no witness, group or quorum, or one group too many");
  }
  if (quorum === undefined) throw new Error("a policy without a quorum");
  policy.quorum = named.get(quorum);
  return policy;
}

/** Splits a line; a comment has no fields. */
function fields(line: string): string[] {
  const comment = /^[ \t]*#/.test(line);
  if (comment ? /[\0-\x08\x0a-\x1f\x7f]/.test(line) : /[^\t\x20-\x22\x24-\x7e]/.test(line)) throw new Error("a character that policies do not have");
  return comment ? [] : line.split(/[ \t]+/).filter((f) => f !== "");
}

function witness(policy: Policy, name: string, [vkey = "", ...url]: string[]): Member {
  if (url.length > 1 || !/^[!-*,-~]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$/.test(vkey)) throw new Error("a witness is a name, a key and an address");
  const key = parseVerifierKey(vkey, COSIGNATURE);
  if (policy.witnesses.some((w) => toBase64url(w.key.public) === toBase64url(key.public))) throw new Error("a witness's key is there already");
  if (policy.witnesses.length === MAX_WITNESSES) throw new Error("too many witnesses");
  policy.witnesses.push({ name, key });
  return { witness: key, taken: false };
}

function group([threshold = "", ...names]: string[], named: Map<string, Member | undefined>): Member {
  const of = names.map((name) => {
    const m = named.get(name);
    if (m === undefined || m.taken) throw new Error("a member is not defined above, or in a group already");
    m.taken = true;
    return m;
  });
  const least = threshold === "all" ? of.length : threshold === "any" ? 1 : /^[1-9][0-9]{0,3}$/.test(threshold) ? Number(threshold) : 0;
  if (least < 1 || least > of.length) throw new Error("a threshold is all, any or a number of members");
  return { of, least, taken: false };
}

/**
 * Gives the least number of witnesses whose signatures are enough. Nothing is
 * in two groups, so the cheapest members may be added up.
 */
export function strength(m: Policy["quorum"]): number {
  if (m === undefined) return 0;
  if ("witness" in m) return 1;
  return m.of.map(strength).sort((a, b) => a - b).slice(0, m.least).reduce((sum, n) => sum + n, 0);
}

/** Reports whether a policy that asks for witnesses gives way to one that names others, or takes another number of them. */
export const otherWitnesses = (was: string, is: string): boolean =>
  statementPolicy(was).quorum !== undefined && witnessLines(was) !== witnessLines(is);

/** Gives what a policy says of whose signatures are enough, without comments and addresses. */
const witnessLines = (text: string): string =>
  text.split("\n").map(fields).filter((f) => f.length > 0).map((f) => (f[0] === "witness" ? f.slice(0, 3) : f).join(" ")).join("\n");

/** Reports whether those who signed are enough. */
export function satisfied(m: Policy["quorum"], signed: Set<string>): boolean {
  if (m === undefined) return true;
  if ("witness" in m) return signed.has(m.witness.vkey);
  return m.of.filter((o) => satisfied(o, signed)).length >= m.least;
}
