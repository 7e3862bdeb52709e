// What a saved answer proves. The verifier trusts nothing in it but what the
// reader's own ledger keys confirm. It mirrors check/verify.go.

import { sha256 } from "@noble/hashes/sha2.js";
import { type Answer, encodeVerdict, parseAnswer } from "./answer.ts";
import { parseBucket } from "./bucket.ts";
import { follow, precede } from "./chain.ts";
import { type Bytes, equal, fromHash, toHex } from "./encoding.ts";
import { bucketOf } from "./entry.ts";
import { Failure } from "./failure.ts";
import { holds, LEAST_SAMPLE, sampleOf, sourceExtent } from "./fold.ts";
import { depths, entriesFor, type Group, parseSaved } from "./group.ts";
import { type Identity, input, newAccount, parseEmail } from "./identity.ts";
import { canonical } from "./json.ts";
import { parseLedgerKey, type VerifierKey } from "./note.ts";
import { type Pin, pinnedKeys, pinnedSince, type Pins } from "./pins.ts";
import { NO_WITNESSES } from "./policy.ts";
import { type Hash, milliseconds, parseStatement, type Statement } from "./statement.ts";
import { type Checkpoint, type Inclusion, proofOrigin, readCheckpoint, verifyInclusion } from "./tlogproof.ts";
import { cosigned, type Vouched, vkeyHash } from "./trust.ts";
import { conclude, type Look } from "./verdict.ts";
import { blindWith, finalize } from "./voprf.ts";

const CLOCK_SKEW = 10 * 60_000; // milliseconds that an asker's clock may be behind

/** What verifying an answer showed. */
export interface Verified {
  answer: Answer;
  statement: Statement;
  inclusion: Inclusion;
  witnesses: string[]; // that cosigned, of those that its statement wants
}

/** The steps of a verification, told as they begin. */
export type VerifyStep = "ledger" | "proving" | "buckets" | "comparing";
type Tell = (step: VerifyStep) => void;

/**
 * Verifies an answer file by what is remembered of its ledger, or where nothing
 * is by the keys that the page names, and compares its statement and its
 * checkpoint with what is remembered.
 */
export function verifySaved(file: Uint8Array, pins: Pins, pageKeys: string[], tell: Tell): Verified & { vouched: Vouched } {
  const answer = parseAnswer(file);
  const origin = proofOrigin(answer.proof);
  const pin = pins.ledgers.get(origin);
  const pinned = pinnedKeys(pins, origin);
  const keys = pinned.length > 0 ? pinned : pageKeys.map(parseLedgerKey).filter((k) => k.name === origin);
  if (keys.length === 0) throw new Failure("not-pinned", "a ledger whose key is not known");
  const proven = prove(answer, keys, tell);
  const { checkpoint } = proven.inclusion;
  if (pin) agree(pin, proven.statement, toHex(sha256(answer.statement)), checkpoint);
  recompute(answer, proven.statement, tell);
  const vouched = { origin, key: checkpoint.key.hash, since: pin ? pinnedSince(pin, checkpoint.key.vkey) : "", host: pin?.host ?? "", witnesses: proven.witnesses, met: pin === undefined, witnessesChanged: pin?.witnessesChanged ?? "" };
  return { ...proven, vouched };
}

/**
 * Recomputes an answer from its identity and its blinds; bucket numbers follow
 * from them and are not in the file. The keys are the reader's own: a file that
 * brings its own ledger is not evidence.
 */
export function verifyAnswer(answer: Answer, keys: VerifierKey[], tell: Tell = () => {}): Verified {
  const proven = prove(answer, keys, tell);
  recompute(answer, proven.statement, tell);
  return proven;
}

/**
 * What is wrong with a file that does not verify. altered: somebody changed what
 * it says; foreign: it is of a ledger that is not trusted, or not witnessed as it
 * has to be; contradicts: it cannot be true together with what is remembered;
 * damaged: it is not whole, or no such file.
 */
export type Fault = "altered" | "foreign" | "contradicts" | "damaged";

export function fault({ code, reason }: Failure): Fault {
  if (reason === ALTERED || ["proof", "element", "scalar", "identity"].includes(code)) return "altered";
  if (["checkpoint", "unwitnessed", "not-pinned"].includes(code)) return "foreign";
  if (["fork", "rollback", "chain", "policy-weaker", "consistency"].includes(code)) return "contradicts";
  return "damaged";
}

const ALTERED = "altered";

/** Verifies whom an answer is about, and what its statement says. */
function prove(answer: Answer, keys: VerifierKey[], tell: Tell): Verified {
  requireCanonical(answer.identity);
  tell("ledger");
  const inclusion = verifyInclusion("statement", answer.statement, answer.proof, { keys, policy: NO_WITNESSES });
  const statement = parseStatement(answer.statement);
  if (answer.v === 1 && statement.v !== 1) throw new Failure("statement", "an answer of version 1 knows no later statement");
  if (statement.ledger && statement.ledger.key !== vkeyHash(inclusion.checkpoint.key.vkey)) {
    throw new Failure("checkpoint", "the statement names another key of the ledger than signed it");
  }
  const witnesses = cosigned(inclusion.checkpoint, [statement.ledger?.policy ?? ""]);
  const claimed = milliseconds(answer.claimed);
  if (claimed < milliseconds(statement.time) - CLOCK_SKEW || claimed >= milliseconds(statement.expires)) {
    throw new Failure("answer", "it claims to have been asked when its statement was not valid", ALTERED);
  }
  return { answer, statement, inclusion, witnesses };
}

/** Compares a saved statement and its checkpoint with what is remembered: before or after it, they are of one history. */
function agree(pin: Pin, s: Statement, statement: Hash, checkpoint: Checkpoint): void {
  if (pin.checkpoint !== "") {
    const seen = readCheckpoint(pin.checkpoint);
    if (seen.size === checkpoint.size && !equal(seen.root, checkpoint.root)) throw new Failure("fork", `two ledgers of ${seen.size} entries`);
  }
  const later = pin.bindings === undefined || pin.bindings.seq < s.seq;
  if (pin.bindings) {
    if (s.seq < pin.bindings.seq) precede(pin.bindings, s);
    else follow(pin.bindings, s, statement);
  }
  if (later) cosigned(checkpoint, [pin.policy]);
}

/** Draws the verdict again, and requires that it is the file's. */
function recompute(answer: Answer, s: Statement, tell: Tell): void {
  tell("proving");
  const outputs = new Map<string, Bytes>();
  for (const e of answer.evaluations) {
    const key = s.keys.find((k) => k.id === e.key);
    if (key === undefined || outputs.has(e.key)) throw new Failure("answer", "evaluations: a key is unknown or there twice");
    const blinded = blindWith(input(answer.identity), e.blind);
    outputs.set(e.key, finalize(key.public, [blinded], [e.evaluated], e.proof)[0]!);
  }
  tell("buckets");
  const look = answer.v === 1 ? buckets(answer, s, outputs) : groups(answer, s, outputs);
  tell("comparing");
  const verdict = conclude(answer.v, s, answer.identity.kind, outputs, look, new Set(answer.sources.map((part) => part.layer)));
  // A file may be from before there were words for what could not be asked: it is told all the same.
  if (![false, true].some((before) => canonical(encodeVerdict(answer.v, verdict, before)) === answer.stated)) {
    throw new Failure("answer", `the verdict is not what the evidence shows: ${verdict.result}`, ALTERED);
  }
  answer.verdict = verdict;
}

/** Verifies what a file of version 1 keeps: of each layer the one bucket. */
function buckets(answer: Answer, s: Statement, outputs: Map<string, Bytes>): Look {
  const got = new Map<Hash, Bytes>();
  for (const b of answer.groups) {
    const { layer, output } = placeOf(s, b.layer, outputs, got);
    const bucket = parseBucket(b.bytes, bucketOf(output, layer.bits), fromHash(layer.root), layer.bits, 0);
    if (bucket.bytes.length !== b.bytes.length || b.bytes.length > layer.pad) {
      throw new Failure("bucket", "its length is not what its count says");
    }
    got.set(b.layer, bucket.entries);
  }
  return (layer) => got.get(layer);
}

/** Verifies what a file of version 2 keeps: of each layer a group of buckets, and of folds some sources. */
function groups(answer: Answer, s: Statement, outputs: Map<string, Bytes>): Look {
  const shown = depths(s.layers, answer.cap);
  const got = new Map<Hash, Group>();
  for (const g of answer.groups) {
    const { layer, output } = placeOf(s, g.layer, outputs, got);
    const p = shown.get(layer.id)!;
    if (g.p !== p) throw new Failure("answer", `groups: ${g.p} bits, and ${p} follow`);
    got.set(g.layer, parseSaved(g.bytes, bucketOf(output, p), p, fromHash(layer.root), layer.bits, layer.pad));
  }
  compareSources(answer, s, outputs, got);
  return (id) => {
    const group = got.get(id);
    return group && entriesFor(group, outputs.get(s.layers.find((l) => l.id === id)!.key)!);
  };
}

/** Verifies the sources that were compared, and compares them again. */
function compareSources(answer: Answer, s: Statement, outputs: Map<string, Bytes>, got: Map<Hash, Group>): void {
  const given = new Map(answer.sources.map((part) => [part.layer, part]));
  if (given.size < answer.sources.length) throw new Failure("answer", "sources: one is there twice");
  for (const layer of s.layers) {
    const fold = got.get(layer.id);
    if (fold === undefined || layer.sources.length === 1) continue;
    const output = outputs.get(layer.key)!;
    const compared = layer.sources.flatMap((source) => {
      const part = given.get(source.root);
      if (part === undefined) return [];
      given.delete(source.root);
      const { bits, depth } = sourceExtent(s, layer, source, fold.depth);
      if (part.p !== depth) throw new Failure("answer", `sources: ${part.p} bits, and ${depth} follow`);
      return [parseSaved(part.bytes, bucketOf(output, depth), depth, fromHash(source.root), bits, 0)];
    });
    if (compared.length < sampleOf(layer, LEAST_SAMPLE)) throw new Failure("answer", `sources: ${compared.length} of layer ${layer.id}`);
    holds(fold, layer, compared, output);
  }
  if (given.size > 0) throw new Failure("answer", "sources: one is of no fold that was asked");
}

function placeOf(s: Statement, id: Hash, outputs: Map<string, Bytes>, got: Map<Hash, unknown>) {
  const layer = s.layers.find((l) => l.id === id);
  const output = layer && outputs.get(layer.key);
  if (layer === undefined || output === undefined || got.has(id)) {
    throw new Failure("answer", "a layer is unknown, there twice or without an evaluation");
  }
  return { layer, output };
}

/** Requires the canonical form, so that a file cannot be about one address and show another. */
function requireCanonical(id: Identity): void {
  let value: string | undefined;
  switch (id.kind) {
    case "email":
      value = parseEmail(id.value).value;
      break;
    case "phone": // which numbers exist changes with the numbering plans; a saved answer must not
      value = /^\+[1-9][0-9]{4,14}$/.test(id.value) ? id.value : undefined;
      break;
    case "account": {
      const at = id.value.indexOf("\0");
      value = at < 0 ? newAccount(id.value, "").value : newAccount(id.value.slice(0, at), id.value.slice(at + 1)).value;
      break;
    }
  }
  if (value !== id.value) throw new Failure("answer", "identity: kind and value are not canonical");
}
