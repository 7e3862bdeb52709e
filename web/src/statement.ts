// The signed, numbered, expiring description of the whole published index.

import { bucketBits, bucketSize, MAX_PAD } from "./bucket.ts";
import { type Bytes, fromBase64url, fromHash, fromUTF8, utf8 } from "./encoding.ts";
import { Failure, named } from "./failure.ts";
import { canonical, entries, integer, type JSONValue, list, members, parseJSON, text } from "./json.ts";
import { isElement } from "./voprf.ts";

const MAX_STATEMENT = 4 << 20; // bytes
const MAX_LIFE = 48 * 3600 * 1000; // from time to expires, in milliseconds
const MAX_ENTRIES = 2 ** 40;
const MAX_LOCATOR_BITS = 24;
const MAX_SETS = 1 << 16;

/** An RFC 3339 time in UTC with whole seconds; a hash in lower-case hex. */
export type Time = string;
export type Hash = string;

export type State = "investigating" | "final" | "by-mail" | "retired";
export type Kind = "email" | "phone" | "account";

export interface Statement {
  seq: number;
  prev: Hash;
  time: Time;
  expires: Time;
  phoneRegion: string;
  keys: Key[];
  layers: Layer[];
  incidents: Incident[];
}

export interface Key {
  id: string;
  locatorBits: number;
  public: Bytes;
}

export interface Layer {
  id: Hash;
  key: string;
  n: number;
  bits: number;
  root: Hash;
  pad: number;
  sources: Source[];
}

export interface Source {
  incident: string;
  revision: string;
  n: number;
  root: Hash;
}

export interface Incident {
  id: string;
  organisation: string;
  title: Map<string, string>; // by language
  revision: string;
  state: State;
  asOf: Time;
  counts: Map<string, number>; // entries by kind
  sets: string[][];
}

/** Reads canonical bytes and checks everything that can be checked of a statement alone. It does not look at the time. */
export function parseStatement(bytes: Uint8Array): Statement {
  if (bytes.length > MAX_STATEMENT) throw new Failure("statement", "too long");
  return named("statement", () => {
    const source = fromUTF8(bytes);
    const value = parseJSON(source);
    const statement = read(value);
    if (canonical(value) !== source) throw new Error("the bytes are not the canonical encoding (RFC 8785)");
    validate(statement);
    return statement;
  });
}

/** Reads what a time must look like: 2026-11-23T00:00:00Z, a day that exists. */
export function time(value: JSONValue): Time {
  const t = text(value);
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(t) ? new Date(t) : new Date(NaN);
  if (Number.isNaN(at.getTime()) || at.toISOString() !== t.replace("Z", ".000Z") || t.startsWith("0000")) {
    throw new Error("not a time like 2026-11-23T00:00:00Z");
  }
  return t;
}

export const milliseconds = (t: Time): number => Date.parse(t);

export function hash(value: JSONValue): Hash {
  fromHash(text(value));
  return text(value);
}

function read(value: JSONValue): Statement {
  const m = members(value, "v", "seq", "prev", "time", "expires", "phoneRegion", "keys", "layers", "incidents");
  if (m.v !== 1) throw new Error("v is not 1");
  return {
    seq: integer(m.seq), prev: hash(m.prev), time: time(m.time), expires: time(m.expires),
    phoneRegion: text(m.phoneRegion), keys: list(m.keys, readKey), layers: list(m.layers, readLayer),
    incidents: list(m.incidents, readIncident),
  };
}

function readKey(value: JSONValue): Key {
  const m = members(value, "id", "locatorBits", "public");
  const key = { id: text(m.id), locatorBits: integer(m.locatorBits), public: fromBase64url(text(m.public), 32) };
  require(isElement(key.public), "a public key is no element");
  return key;
}

function readLayer(value: JSONValue): Layer {
  const m = members(value, "id", "key", "n", "bits", "root", "pad", "sources");
  return {
    id: hash(m.id), key: text(m.key), n: integer(m.n), bits: integer(m.bits), root: hash(m.root), pad: integer(m.pad),
    sources: list(m.sources, (v) => {
      const s = members(v, "incident", "revision", "n", "root");
      return { incident: text(s.incident), revision: text(s.revision), n: integer(s.n), root: hash(s.root) };
    }),
  };
}

function readIncident(value: JSONValue): Incident {
  const m = members(value, "id", "organisation", "title", "revision", "state", "asOf", "counts", "sets");
  return {
    id: text(m.id), organisation: text(m.organisation), revision: text(m.revision), state: text(m.state) as State,
    asOf: time(m.asOf), sets: list(m.sets, (set) => list(set, text)),
    title: new Map(entries(m.title).map(([lang, t]) => [lang, text(t)])),
    counts: new Map(entries(m.counts).map(([kind, n]) => [kind, integer(n)])),
  };
}

function require(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** Ids are ASCII, and hashes hex, so the order of their UTF-16 code units is that of their bytes. */
const ascending = <T>(items: T[], of: (item: T) => string): boolean =>
  items.every((item, i) => i === 0 || of(items[i - 1]!) < of(item));

const within = (n: number, from: number, to: number): boolean => from <= n && n <= to;

const validId = (id: string): boolean => /^[a-z0-9-]{1,64}$/.test(id);

/** Checks the statement against itself: order, limits, and that every final incident is in one layer whose sources add up. */
function validate(s: Statement): void {
  require(s.seq >= 1, "seq is out of range");
  require((s.seq === 1) === /^0+$/.test(s.prev), "prev is zero in the first statement and only there");
  require(within(milliseconds(s.expires) - milliseconds(s.time), 1, MAX_LIFE), "expires is not within 48 hours after time");
  require(/^[A-Z]{2}$/.test(s.phoneRegion), "phoneRegion is not two capital letters");
  require(s.keys.length <= 2, "more than two keys");
  for (const k of s.keys) {
    require(validId(k.id), "a key's id is not [a-z0-9-]{1,64}");
    require(within(k.locatorBits, 1, MAX_LOCATOR_BITS), "locatorBits is not 1 to 24");
  }
  require(ascending(s.keys, (k) => k.id), "keys are not in the order of their ids");
  s.incidents.forEach(validateIncident);
  require(ascending(s.incidents, (i) => i.id), "incidents are not in the order of their ids");
  require(ascending(s.layers, (l) => l.id), "layers are not in the order of their ids");
  const incidents = new Map(s.incidents.map((i) => [i.id, i]));
  const placed = new Set<string>();
  for (const l of s.layers) validateLayer(l, s.keys.find((k) => k.id === l.key), incidents, placed);
  for (const i of s.incidents) require(i.state !== "final" || placed.has(i.id), `${i.id} is final and in no layer`);
}

function validateIncident(i: Incident): void {
  const readable = (t: string) => t !== "" && utf8(t).length <= 1000;
  require(validId(i.id), "an incident's id is not [a-z0-9-]{1,64}");
  require(/^(0|[1-9][0-9]{0,8})$/.test(i.revision), "revision is not a decimal without leading zeros");
  require(readable(i.organisation), "organisation is empty or too long");
  require(within(i.title.size, 1, 16), "title is wanted in 1 to 16 languages");
  for (const [lang, t] of i.title) require(/^[a-z]{2}$/.test(lang) && readable(t), "title is not a text by language");
  for (const [kind, n] of i.counts) {
    require(["email", "phone", "account"].includes(kind) && n >= 1, "counts has an unknown kind or a number below one");
  }
  require(i.sets.length <= MAX_SETS, "more than 65536 sets");
  for (const set of i.sets) {
    require(within(set.length, 1, 64) && ascending(set, (c) => c), "a set is not 1 to 64 classes in order");
    require(set.every((c) => /^[a-z][a-z0-9-]{0,39}(:[a-z][a-z0-9-]{0,19})?$/.test(c)), "a set holds what is no data class");
  }
  require(["investigating", "final", "by-mail", "retired"].includes(i.state), "state is unknown");
  require(i.state !== "final" || (i.revision !== "0" && i.sets.length > 0 && i.counts.size > 0),
    "a final incident has a revision from 1, counts and sets");
}

function validateLayer(l: Layer, key: Key | undefined, incidents: Map<string, Incident>, placed: Set<string>): void {
  require(key !== undefined, "a layer's key is not among the keys");
  require(within(l.n, 1, MAX_ENTRIES), "n is out of range");
  require(l.bits === bucketBits(l.n, key.locatorBits), "bits does not follow from n");
  require(l.id === l.root, "id is not the root");
  require(within(l.pad, bucketSize(0, l.bits), MAX_PAD), "pad is out of range");
  require(l.sources.length > 0, "a layer has no sources");
  require(l.sources.length > 1 || l.sources[0]!.root === l.root, "a layer's one source has another root");
  require(ascending(l.sources, (src) => src.incident), "sources are not in the order of their incidents");
  let sum = 0;
  for (const src of l.sources) {
    const i = incidents.get(src.incident);
    require(i !== undefined && i.state === "final" && i.revision === src.revision,
      "a source is not the current revision of a final incident");
    require(!placed.has(i.id), `incident ${i.id} is in two layers`);
    require(within(src.n, 1, l.n), "a source's n is out of range");
    const counted = [...i.counts.values()].reduce((sum, n) => sum + n, 0);
    require(counted === src.n, `incident ${i.id} counts other entries than its source holds`);
    placed.add(i.id);
    sum += src.n;
  }
  require(sum === l.n, "n is not the sum of the sources");
}
