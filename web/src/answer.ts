// What a check returns, with all that proves it; and the verifier that trusts
// nothing in it but what the reader's own ledger keys confirm.

import { parseBucket } from "./bucket.ts";
import { type Bytes, fromBase64url, fromHash, fromUTF8, toBase64url } from "./encoding.ts";
import { bucketOf } from "./entry.ts";
import { Failure, named } from "./failure.ts";
import { holds, sampleOf, sourceExtent } from "./fold.ts";
import { CAP_BITS, depths, entriesFor, type Group, parseSaved, RAISED_BITS } from "./group.ts";
import { type Identity, input, newAccount, parseEmail } from "./identity.ts";
import { canonical, entries, integer, type JSONValue, list, members, parseJSON, text } from "./json.ts";
import type { VerifierKey } from "./note.ts";
import { NO_WITNESSES } from "./policy.ts";
import { type Hash, hash, type Kind, parseStatement, type Statement, type Time, time } from "./statement.ts";
import { type Inclusion, verifyInclusion } from "./tlogproof.ts";
import { conclude, type Look, type Result, type Verdict, type Why } from "./verdict.ts";
import { blindWith, finalize } from "./voprf.ts";

const MAX_ANSWER = 64 << 20; // bytes
const CLOCK_SKEW = 10 * 60_000; // milliseconds that an asker's clock may be behind
const TYPE = "shirase answer";
const PERSONAL_DATA =
  "This file is personal data: it names an address and says what was found. Give it only to whom you would tell that.";

export interface Evaluation {
  key: string;
  blind: Uint8Array;
  evaluated: Uint8Array;
  proof: Uint8Array;
}

/** What was got of a layer: in version 1 one bucket, and since then a group of them. */
export interface Part {
  layer: Hash; // the root
  p: number; // bits that were shown; in version 1 all of the layer's
  bytes: Bytes; // without padding
}

export interface Answer {
  v: 1 | 2;
  claimed: Time; // the asker's own clock: a claim, not evidence
  identity: Identity;
  verdict: Verdict;
  statement: Uint8Array; // its canonical bytes
  proof: string; // tlog-proof of the statement
  evaluations: Evaluation[];
  groups: Part[];
  sources: Part[]; // of folds, those that were compared
  cap: number; // bits that all keys together might show
}

/** What verifying an answer showed. */
export interface Verified {
  answer: Answer;
  statement: Statement;
  inclusion: Inclusion;
}

/** Writes the answer file, of version 2. */
export function encodeAnswer(a: Answer): string {
  const parts = (all: Part[]) => all.map(({ layer, p, bytes }) => ({ layer, p, bytes: toBase64url(bytes) }));
  const file = {
    v: 2,
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
    groups: parts(a.groups),
    sources: parts(a.sources),
    cap: a.cap,
  };
  return JSON.stringify(file, null, 2) + "\n";
}

/** Reads an answer file of version 1 or 2. It proves nothing: verifyAnswer does. */
export function parseAnswer(file: Uint8Array): Answer {
  if (file.length > MAX_ANSWER) throw new Failure("answer", "too long");
  return named("answer", () => {
    const { v, ...rest } = Object.fromEntries(entries(parseJSON(fromUTF8(file))));
    if (v !== 1 && v !== 2) throw new Error("not version 1 or 2 of an answer");
    const common = ["type", "personalData", "claimed", "identity", "verdict", "statement", "proof", "evaluations"] as const;
    const m = v === 1 ? { ...members(rest, ...common, "buckets"), groups: [], sources: [], cap: CAP_BITS } :
      { buckets: [], ...members(rest, ...common, "groups", "sources", "cap") };
    if (m.cap !== CAP_BITS && m.cap !== RAISED_BITS) throw new Error("cap is not 16 or 20");
    if (m.type !== TYPE || m.personalData !== PERSONAL_DATA) throw new Error("not an answer");
    const identity = members(m.identity, "kind", "value");
    return {
      v,
      claimed: time(m.claimed),
      identity: { kind: text(identity.kind) as Kind, value: text(identity.value) },
      verdict: readVerdict(v, m.verdict),
      statement: fromBase64url(text(m.statement)),
      proof: text(m.proof),
      evaluations: list(m.evaluations, (each) => {
        const e = members(each, "key", "blind", "evaluated", "proof");
        return {
          key: text(e.key), blind: fromBase64url(text(e.blind)), evaluated: fromBase64url(text(e.evaluated)),
          proof: fromBase64url(text(e.proof)),
        };
      }),
      groups: [...list(m.groups, readPart), ...list(m.buckets, (b) => readPart({ ...members(b, "layer", "bytes"), p: 0 }))],
      sources: list(m.sources, readPart),
      cap: integer(m.cap),
    };
  });
}

function readPart(value: JSONValue): Part {
  const m = members(value, "layer", "p", "bytes");
  return { layer: hash(m.layer), p: integer(m.p), bytes: fromBase64url(text(m.bytes)) };
}

function readVerdict(v: 1 | 2, value: JSONValue): Verdict {
  const common = ["result", "asOf", "seq", "checked", "incidents", "notCovered"] as const;
  const m = v === 1 ? { ...members(value, ...common), dropped: [], unreadable: [], compromised: [] } :
    members(value, ...common, "dropped", "unreadable", "compromised");
  return {
    result: text(m.result) as Result, asOf: time(m.asOf), seq: integer(m.seq), checked: list(m.checked, text),
    incidents: list(m.incidents, (each) => {
      const i = members(each, "id", "classes");
      return { id: text(i.id), classes: list(i.classes, text) };
    }),
    dropped: list(m.dropped, (each) => {
      const d = members(each, "id", "revision", "classes");
      return { id: text(d.id), revision: text(d.revision), classes: list(d.classes, text) };
    }),
    unreadable: list(m.unreadable, (each) => {
      const u = members(each, "id", "n");
      return { id: text(u.id), n: integer(u.n) };
    }),
    compromised: list(m.compromised, text),
    notCovered: list(m.notCovered, (each) => {
      const n = members(each, "id", "why");
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
  if (answer.v === 1 && statement.v !== 1) throw new Failure("statement", "an answer of version 1 knows no later statement");
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
  const look = answer.v === 1 ? buckets(answer, statement, outputs) : groups(answer, statement, outputs);
  tell("comparing");
  const verdict = conclude(answer.v, statement, answer.identity.kind, outputs, look);
  if (canonical(verdict as unknown as JSONValue) !== canonical(answer.verdict as unknown as JSONValue)) {
    throw new Failure("answer", `the verdict is not what the evidence shows: ${verdict.result}`);
  }
  return { answer, statement, inclusion };
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
    if (compared.length < sampleOf(layer)) throw new Failure("answer", `sources: ${compared.length} of layer ${layer.id}`);
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
