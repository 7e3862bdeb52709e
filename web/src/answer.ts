// What a check returns, with all that proves it; and the verifier that trusts
// nothing in it but what the reader's own ledger keys confirm.

import { type Bucket, parseBucket } from "./bucket.ts";
import { type Bytes, fromBase64url, fromHash, fromUTF8, toBase64url } from "./encoding.ts";
import { bucketOf, findEntry } from "./entry.ts";
import { Failure, named } from "./failure.ts";
import { type Identity, input, newAccount, parseEmail } from "./identity.ts";
import { canonical, integer, type JSONValue, list, members, parseJSON, text } from "./json.ts";
import { type Hash, hash, type Incident, type Kind, type Layer, parseStatement, type Statement, type Time, time } from "./statement.ts";
import { type VerifierKey } from "./note.ts";
import { NO_WITNESSES } from "./policy.ts";
import { type Inclusion, verifyInclusion } from "./tlogproof.ts";
import { blindWith, finalize } from "./voprf.ts";

const MAX_ANSWER = 64 << 20; // bytes
const CLOCK_SKEW = 10 * 60_000; // milliseconds that an asker's clock may be behind
const TYPE = "shirase answer";
const PERSONAL_DATA =
  "This file is personal data: it names an address and says what was found. Give it only to whom you would tell that.";

/** There is no word for "you are safe". */
export type Result = "affected" | "not-in-scope" | "investigating";
export type Why = "investigating" | "reopened" | "withdrawn" | "kind-not-indexed" | "by-mail" | "retired" | "layer-missing";

export interface Verdict {
  result: Result;
  asOf: Time; // the statement's time
  seq: number;
  checked: string[]; // final incidents that were actually checked
  incidents: { id: string; classes: string[] }[]; // those that affect the identity
  notCovered: { id: string; why: Why }[];
}

export interface Evaluation {
  key: string;
  blind: Uint8Array;
  evaluated: Uint8Array;
  proof: Uint8Array;
}

export interface Answer {
  claimed: Time; // the asker's own clock: a claim, not evidence
  identity: Identity;
  verdict: Verdict;
  statement: Uint8Array; // its canonical bytes
  proof: string; // tlog-proof of the statement
  evaluations: Evaluation[];
  buckets: { layer: Hash; bytes: Bytes }[];
}

/** What verifying an answer showed. */
export interface Verified {
  answer: Answer;
  statement: Statement;
  inclusion: Inclusion;
}

/** Writes the answer file. */
export function encodeAnswer(a: Answer): string {
  const file = {
    v: 1,
    type: TYPE,
    personalData: PERSONAL_DATA,
    claimed: a.claimed,
    identity: { kind: a.identity.kind, value: a.identity.value },
    verdict: a.verdict,
    statement: toBase64url(a.statement),
    proof: a.proof,
    evaluations: a.evaluations.map((e) => ({
      key: e.key, blind: toBase64url(e.blind), evaluated: toBase64url(e.evaluated), proof: toBase64url(e.proof),
    })),
    buckets: a.buckets.map((b) => ({ layer: b.layer, bytes: toBase64url(b.bytes) })),
  };
  return JSON.stringify(file, null, 2) + "\n";
}

/** Reads an answer file. It proves nothing: verifyAnswer does. */
export function parseAnswer(file: Uint8Array): Answer {
  if (file.length > MAX_ANSWER) throw new Failure("answer", "too long");
  return named("answer", () => {
    const m = members(parseJSON(fromUTF8(file)), "v", "type", "personalData", "claimed", "identity", "verdict",
      "statement", "proof", "evaluations", "buckets");
    if (m.v !== 1 || m.type !== TYPE || m.personalData !== PERSONAL_DATA) throw new Error("not version 1 of an answer");
    const identity = members(m.identity, "kind", "value");
    return {
      claimed: time(m.claimed),
      identity: { kind: text(identity.kind) as Kind, value: text(identity.value) },
      verdict: readVerdict(m.verdict),
      statement: fromBase64url(text(m.statement)),
      proof: text(m.proof),
      evaluations: list(m.evaluations, (v) => {
        const e = members(v, "key", "blind", "evaluated", "proof");
        return {
          key: text(e.key), blind: fromBase64url(text(e.blind)), evaluated: fromBase64url(text(e.evaluated)),
          proof: fromBase64url(text(e.proof)),
        };
      }),
      buckets: list(m.buckets, (v) => {
        const b = members(v, "layer", "bytes");
        return { layer: hash(b.layer), bytes: fromBase64url(text(b.bytes)) };
      }),
    };
  });
}

function readVerdict(value: JSONValue): Verdict {
  const m = members(value, "result", "asOf", "seq", "checked", "incidents", "notCovered");
  return {
    result: text(m.result) as Result, asOf: time(m.asOf), seq: integer(m.seq), checked: list(m.checked, text),
    incidents: list(m.incidents, (v) => {
      const i = members(v, "id", "classes");
      return { id: text(i.id), classes: list(i.classes, text) };
    }),
    notCovered: list(m.notCovered, (v) => {
      const n = members(v, "id", "why");
      return { id: text(n.id), why: text(n.why) as Why };
    }),
  };
}

/** The steps of a verification, told as they begin. */
export type VerifyStep = "ledger" | "proving" | "buckets" | "comparing";

/**
 * Recomputes an answer from its identity and its blinds; bucket numbers follow
 * from them and are not in the file. The keys are the reader's own: a file that
 * brings its own ledger is not evidence.
 */
export function verifyAnswer(answer: Answer, keys: VerifierKey[], tell: (step: VerifyStep) => void = () => {}): Verified {
  requireCanonical(answer.identity);
  tell("ledger");
  const inclusion = verifyInclusion("statement", answer.statement, answer.proof, { keys, policy: NO_WITNESSES });
  const statement = parseStatement(answer.statement);
  const claimed = Date.parse(answer.claimed);
  if (claimed < Date.parse(statement.time) - CLOCK_SKEW || claimed >= Date.parse(statement.expires)) {
    throw new Failure("answer", "it claims to have been asked when its statement was not valid");
  }
  tell("proving");
  const outputs = new Map<string, Bytes>();
  for (const e of answer.evaluations) {
    const key = statement.keys.find((k) => k.id === e.key);
    if (key === undefined || outputs.has(e.key)) throw new Failure("answer", "evaluations: a key is unknown or there twice");
    const blinded = blindWith(input(answer.identity), e.blind);
    outputs.set(e.key, finalize(key.public, [blinded], [e.evaluated], e.proof)[0]!);
  }
  tell("buckets");
  const buckets = new Map<Hash, Bucket>();
  for (const b of answer.buckets) {
    const layer = statement.layers.find((l) => l.id === b.layer);
    const output = layer && outputs.get(layer.key);
    if (layer === undefined || output === undefined || buckets.has(b.layer)) {
      throw new Failure("answer", "buckets: a layer is unknown, there twice or without an evaluation");
    }
    const bucket = parseBucket(b.bytes, bucketOf(output, layer.bits), fromHash(layer.root), layer.bits, 0);
    if (bucket.bytes.length !== b.bytes.length || b.bytes.length > layer.pad) {
      throw new Failure("bucket", "its length is not what its count says");
    }
    buckets.set(b.layer, bucket);
  }
  tell("comparing");
  const verdict = conclude(statement, answer.identity.kind, outputs, buckets);
  if (canonical(verdict as unknown as JSONValue) !== canonical(answer.verdict as unknown as JSONValue)) {
    throw new Failure("answer", `the verdict is not what the evidence shows: ${verdict.result}`);
  }
  return { answer, statement, inclusion };
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

/**
 * Draws the verdict from what was verified: the statement, the outputs by key,
 * and the buckets by layer. A layer without a bucket is one the server could
 * not give.
 */
export function conclude(s: Statement, kind: Kind, outputs: Map<string, Bytes>, buckets: Map<Hash, Bucket>): Verdict {
  const verdict: Verdict = { result: "investigating", asOf: s.time, seq: s.seq, checked: [], incidents: [], notCovered: [] };
  const place = new Map(s.layers.flatMap((l) => l.sources.map((src): [string, Layer] => [src.incident, l])));
  for (const i of s.incidents) {
    const layer = place.get(i.id);
    const bucket = layer && buckets.get(layer.id);
    const why = whyNot(i, kind, bucket);
    if (why !== undefined || layer === undefined || bucket === undefined) {
      verdict.notCovered.push({ id: i.id, why: why ?? "layer-missing" });
      continue;
    }
    const key = s.keys.find((k) => k.id === layer.key)!;
    const set = findEntry(bucket.entries, outputs.get(layer.key)!, key.locatorBits, i.id, i.revision);
    verdict.checked.push(i.id);
    if (set === undefined) continue;
    const classes = i.sets[set];
    if (classes === undefined) throw new Failure("entry", `incident ${i.id}: there is no exposure set ${set}`);
    verdict.incidents.push({ id: i.id, classes });
  }
  if (verdict.incidents.length > 0) verdict.result = "affected";
  else if (verdict.checked.length > 0) verdict.result = "not-in-scope";
  return verdict;
}

function whyNot(i: Incident, kind: Kind, bucket: Bucket | undefined): Why | undefined {
  if (i.state !== "final") return i.state as Why;
  if (!i.counts.has(kind)) return "kind-not-indexed";
  return bucket === undefined ? "layer-missing" : undefined;
}
