// The answer file: what a check returns, with all that proves it. What it proves
// is in verify.ts.

import { type Bytes, fromBase64url, fromUTF8, toBase64url } from "./encoding.ts";
import { Failure, named } from "./failure.ts";
import { CAP_BITS, RAISED_BITS } from "./group.ts";
import type { Identity } from "./identity.ts";
import { canonical, entries, integer, type JSONValue, list, members, parseJSON, text } from "./json.ts";
import { type Hash, hash, type Kind, type Time, time } from "./statement.ts";
import type { Result, Verdict, Why } from "./verdict.ts";

const MAX_ANSWER = 64 << 20; // bytes
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
  stated: string; // the verdict as the file gives it, in canonical JSON
  statement: Uint8Array; // its canonical bytes
  proof: string; // tlog-proof of the statement
  evaluations: Evaluation[];
  groups: Part[];
  sources: Part[]; // of folds, those that were compared
  cap: number; // bits that all keys together might show
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
    verdict: encodeVerdict(2, a.verdict),
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
      verdict: readVerdict(m.verdict),
      stated: canonical(m.verdict),
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

/** Gives a verdict as it is written: version 1 does not have all members, and before there were words for them some were nowhere. */
export function encodeVerdict(v: 1 | 2, { dropped, unreadable, compromised, sampled, ended, unlisted, ...verdict }: Verdict, before = false): JSONValue {
  const incomplete = before ? [] : Object.entries({ sampled, ended, unlisted }).filter(([, all]) => all.length > 0);
  return { ...verdict, ...(v === 2 && { dropped, unreadable, compromised, ...Object.fromEntries(incomplete) }) };
}

/** Reads a verdict. Whether it has the members of its version is seen when it is drawn again. */
function readVerdict(value: JSONValue): Verdict {
  const m = members({ dropped: [], unreadable: [], compromised: [], sampled: [], ended: [], unlisted: [], ...Object.fromEntries(entries(value)) },
    "result", "asOf", "seq", "checked", "incidents", "dropped", "unreadable", "compromised", "notCovered", "sampled", "ended", "unlisted");
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
    sampled: list(m.sampled, text),
    ended: list(m.ended, (each) => {
      const e = members(each, "id", "revision");
      return { id: text(e.id), revision: text(e.revision) };
    }),
    unlisted: list(m.unlisted, text),
    notCovered: list(m.notCovered, (each) => {
      const n = members(each, "id", "why");
      return { id: text(n.id), why: text(n.why) as Why };
    }),
  };
}
