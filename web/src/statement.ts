// The signed, numbered, expiring description of the whole published index. What
// it must be like by itself is in validate.ts, and after others in chain.ts.

import { type Bytes, fromBase64url, fromHash, fromUTF8 } from "./encoding.ts";
import { Failure, named } from "./failure.ts";
import { canonical, entries, integer, type JSONValue, list, members, parseJSON, text } from "./json.ts";
import { validate } from "./validate.ts";

const MAX_STATEMENT = 4 << 20; // bytes

/** An RFC 3339 time in UTC with whole seconds; a hash in lower-case hex. */
export type Time = string;
export type Hash = string;

/** Final and reopened ones are sealed: their revision is in the index, and asked. */
export type State = "investigating" | "final" | "reopened" | "by-mail" | "retired" | "withdrawn";
export type KeyState = "live" | "compromised" | "ended";
export type Kind = "email" | "phone" | "account";

/** A statement of version 1 or 2. What version 1 does not have is empty there, and its keys are live. */
export interface Statement {
  v: 1 | 2;
  seq: number;
  prev: Hash;
  time: Time;
  expires: Time;
  phoneRegion: string;
  ledger: Signing | undefined; // in version 2, always
  keys: Key[];
  layers: Layer[];
  incidents: Incident[];
}

/** Who signs the ledger now, who alone may follow, and who witnesses it. */
export interface Signing {
  key: Hash; // of the text of the vkey
  next: Hash;
  policy: string; // C2SP tlog-policy without log lines; "" asks for no witness
}

export interface Key {
  id: string;
  locatorBits: number;
  public: Bytes;
  state: KeyState;
  held: Held[] | undefined; // of an ended key, what was sealed under it; undefined: the statement does not say
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

/** What the entries of one revision are, and what they open to. */
export interface Exposed {
  counts: Map<string, number>; // entries by kind
  sets: string[][];
}

/** A revision that was sealed under a key that has ended: nobody can be asked any more who is in it. */
export interface Held extends Exposed {
  incident: string;
  revision: string;
  root: Hash;
}

/** Gives how many entries a revision has. */
export const total = ({ counts }: Exposed): number => [...counts.values()].reduce((sum, n) => sum + n, 0);

export interface Incident extends Exposed {
  id: string;
  organisation: string;
  title: Map<string, string>; // by language
  revision: string;
  state: State;
  asOf: Time;
  unreadable: Map<string, number>; // accounts without a readable identity of a kind; under "rows", rows that could not be read
  superseded: (Exposed & { revision: string })[]; // earlier revisions that are still served, ascending
}

export const sealed = (i: Incident): boolean => i.state === "final" || i.state === "reopened";

/** Gives a revision of the incident that it lists: its own, or one that it superseded. */
export const exposed = (i: Incident, revision: string): Exposed | undefined =>
  sealed(i) && i.revision === revision ? i : i.superseded.find((s) => s.revision === revision);

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
  const v = entries(value).find(([name]) => name === "v")?.[1];
  if (v !== 1 && v !== 2) throw new Error("v is not 1 or 2");
  const common = ["v", "seq", "prev", "time", "expires", "phoneRegion", "keys", "layers", "incidents"] as const;
  const m = v === 1 ? { ...members(value, ...common), ledger: undefined } : members(value, ...common, "ledger");
  return {
    v, seq: integer(m.seq), prev: hash(m.prev), time: time(m.time), expires: time(m.expires),
    phoneRegion: text(m.phoneRegion), ledger: m.ledger === undefined ? undefined : readSigning(m.ledger),
    keys: list(m.keys, (k) => readKey(v, k)), layers: list(m.layers, readLayer),
    incidents: list(m.incidents, (i) => readIncident(v, i)),
  };
}

export function readSigning(value: JSONValue): Signing {
  const m = members(value, "key", "next", "policy");
  return { key: hash(m.key), next: hash(m.next), policy: text(m.policy) };
}

function readKey(v: number, value: JSONValue): Key {
  const common = ["id", "locatorBits", "public"] as const;
  const { held, ...rest } = Object.fromEntries(entries(value));
  const m = v === 1 ? { ...members(rest, ...common), state: "live" } : members(rest, ...common, "state");
  return {
    id: text(m.id), locatorBits: integer(m.locatorBits), public: fromBase64url(text(m.public), 32), state: text(m.state) as KeyState,
    held: held === undefined ? undefined : list(held, (each) => {
      const h = members(each, "incident", "revision", "root", "counts", "sets");
      return { incident: text(h.incident), revision: text(h.revision), root: hash(h.root), ...readExposed(h.counts, h.sets) };
    }),
  };
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

function readIncident(v: number, value: JSONValue): Incident {
  const common = ["id", "organisation", "title", "revision", "state", "asOf", "counts", "sets"] as const;
  const m = v === 1 ? { ...members(value, ...common), unreadable: {}, superseded: [] } : members(value, ...common, "unreadable", "superseded");
  return {
    id: text(m.id), organisation: text(m.organisation), revision: text(m.revision), state: text(m.state) as State, asOf: time(m.asOf),
    title: new Map(entries(m.title).map(([lang, t]) => [lang, text(t)])),
    ...readExposed(m.counts, m.sets),
    unreadable: readNumbers(m.unreadable),
    superseded: list(m.superseded, (before) => {
      const s = members(before, "revision", "counts", "sets");
      return { revision: text(s.revision), ...readExposed(s.counts, s.sets) };
    }),
  };
}

const readExposed = (counts: JSONValue, sets: JSONValue): Exposed =>
  ({ counts: readNumbers(counts), sets: list(sets, (set) => list(set, text)) });

const readNumbers = (value: JSONValue): Map<string, number> => new Map(entries(value).map(([kind, n]) => [kind, integer(n)]));
