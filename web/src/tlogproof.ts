// A c2sp.org/tlog-proof@v1: that bytes are recorded in a ledger under a
// checkpoint (c2sp.org/tlog-checkpoint) that is signed, and cosigned, as the
// reader's own trust wants.

import { sha256 } from "@noble/hashes/sha2.js";
import { nodeHash } from "./bucket.ts";
import { type Bytes, concat, equal, fromBase64, utf8 } from "./encoding.ts";
import { Failure, named } from "./failure.ts";
import { openNote, type VerifierKey } from "./note.ts";
import { type Policy, satisfied } from "./policy.ts";

const MAX_PROOF = 64 << 10; // bytes

/** What a reader trusts of one ledger: its keys, which are alternatives, and who has to witness. */
export interface Trust {
  keys: VerifierKey[];
  policy: Policy;
}

/** A verified checkpoint. */
export interface Checkpoint {
  origin: string;
  size: number;
  root: Bytes;
  key: VerifierKey; // of the ledger, that signed
  witnesses: string[]; // of the policy, that cosigned: the names of their keys
  note: string; // as it was signed
}

/** Where in a ledger something is. */
export interface Inclusion {
  index: number;
  checkpoint: Checkpoint;
}

type Kind = "statement" | "notice" | "page" | "cases" | "services";

/** Gives the ledger entry of published bytes. */
export const leaf = (kind: Kind, data: Uint8Array): Bytes => concat(utf8(`shirase/v1 ${kind}\0`), sha256(data));

/** Checks that published bytes are in a ledger that is trusted. */
export function verifyInclusion(kind: Kind, data: Uint8Array, proof: string, trust: Trust): Inclusion {
  if (proof.length > MAX_PROOF || utf8(proof).length > MAX_PROOF) throw new Failure("inclusion", "the proof is too long");
  const { index, path, note } = named("inclusion", () => parseProof(proof));
  const checkpoint = openCheckpoint(note, trust);
  const hash = sha256(concat(Uint8Array.of(0), leaf(kind, data)));
  const implied = index < checkpoint.size ? rootFromPath(hash, index, checkpoint.size, path) : undefined;
  if (implied === undefined || !equal(implied, checkpoint.root)) throw new Failure("inclusion", `not in the ledger at ${index}`);
  return { index, checkpoint };
}

/**
 * Opens a signed checkpoint: "checkpoint" where no key of the ledger that is
 * trusted signed it, "unwitnessed" where not enough of the witnesses did.
 */
export function openCheckpoint(note: string, { keys, policy }: Trust): Checkpoint {
  return named("inclusion", () => {
    const { text, signed } = openNote(note, [...keys, ...policy.witnesses.map((w) => w.key)]);
    const tree = readTree(text);
    const key = keys.find((k) => k.name === tree.origin && signed.has(k));
    if (key === undefined) throw new Failure("checkpoint", "the checkpoint is of another ledger, or signed by witnesses only");
    if (!satisfied(policy.quorum, new Set([...signed].map((k) => k.vkey)))) throw new Failure("unwitnessed", "not enough witnesses cosigned the checkpoint");
    return { ...tree, note, key, witnesses: policy.witnesses.filter((w) => signed.has(w.key)).map((w) => w.key.name) };
  });
}

/** Reads a checkpoint that was verified before it was kept. */
export const readCheckpoint = (note: string): Pick<Checkpoint, "origin" | "size" | "root"> => readTree(note.slice(0, note.lastIndexOf("\n\n") + 1));

function readTree(text: string): Pick<Checkpoint, "origin" | "size" | "root"> {
  const [origin, size, root, ...extensions] = text.slice(0, -1).split("\n");
  if (origin === undefined || root === undefined || extensions.includes("")) throw new Error("not a checkpoint");
  return { origin, size: decimal(size), root: hash64(root) };
}

/** Gives the origin that a proof's checkpoint claims, by which a key is looked up. It verifies nothing. */
export function proofOrigin(proof: string): string {
  const start = proof.indexOf("\n\n") + 2;
  const end = proof.indexOf("\n", start);
  const origin = proof.slice(start, end);
  if (start < 2 || end <= start || utf8(origin).length > 200) throw new Failure("inclusion", "the proof holds no checkpoint");
  return origin;
}

function parseProof(proof: string): { index: number; path: Bytes[]; note: string } {
  const end = proof.indexOf("\n\n");
  const lines = proof.slice(0, end).split("\n");
  if (end < 0 || lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Error("not a tlog proof");
  if (lines[0]?.startsWith("extra ")) fromBase64(lines.shift()!.slice("extra ".length), true);
  return {
    index: decimal(/^index (.*)$/.exec(lines.shift() ?? "")?.[1]),
    path: lines.map(hash64),
    note: proof.slice(end + 2),
  };
}

function decimal(digits: string | undefined): number {
  if (digits === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(digits) || !Number.isSafeInteger(Number(digits))) {
    throw new Error("not a decimal number");
  }
  return Number(digits);
}

function hash64(line: string): Bytes {
  const hash = fromBase64(line, true);
  if (hash.length !== 32) throw new Error("a hash is not 32 bytes");
  return hash;
}

/** RFC 9162 section 2.1.3.2. Sizes may pass 2^31, so there are no bit operators here. */
function rootFromPath(leafHash: Bytes, index: number, size: number, path: Bytes[]): Bytes | undefined {
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : undefined;
}
