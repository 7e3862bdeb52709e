// What a statement binds later ones to, and the rules that hold between any two
// of one ledger. It mirrors check/chain.go, and is kept in the same JSON.

import { sha256 } from "@noble/hashes/sha2.js";
import { toBase64url, toHex, utf8 } from "./encoding.ts";
import { Failure } from "./failure.ts";
import { canonical, entries, integer, type JSONValue, members, text } from "./json.ts";
import { statementPolicy, strength } from "./policy.ts";
import {
  type Exposed, exposed, type Hash, hash, type Incident, type Key, type KeyState, readSigning, sealed, type Signing, type State, type Statement, type Time, time, total,
} from "./statement.ts";

/** All that the rules need of a statement, with what earlier ones bound. */
export interface Bindings {
  v: number; // of the statement; 0: only its number and hash are known
  seq: number;
  statement: Hash;
  time: Time;
  phoneRegion: string;
  ledger: Signing | undefined;
  keys: Map<string, BoundKey>;
  incidents: Map<string, BoundIncident>;
}

interface BoundKey {
  public: string; // base64url
  locatorBits: number;
  state: KeyState;
  gone: boolean; // a statement of version 1 has left it out
  held: boolean; // it has ended, and what was sealed under it is listed
}

interface BoundIncident {
  state: State;
  asOf: Time;
  revision: number; // the highest that was sealed
  revisions: Map<string, Bound>;
}

/** What a revision of an incident is bound to. */
interface Bound {
  root: Hash;
  n: number;
  key: string;
  content: Hash; // SHA-256 of its counts and sets
  gone: boolean; // it is not listed any more
  unreadable: string | undefined; // what could not be read, canonical, of one that was current in a statement of version 2
}

type Placed = Bound & { incident: string; revision: string };

/** The rules by which a statement can contradict an earlier one. */
export type Rule = "version" | "time" | "region" | "keys" | "ledger" | "incident" | "state" | "revision" | "asof" | "bound" | "source";

function hold(condition: boolean, rule: Rule, what: string): asserts condition {
  if (!condition) throw new Failure("chain", `${rule}: ${what}`, rule);
}

/** Gives what a first statement binds later ones to. */
export const bind = (s: Statement, statement: Hash): Bindings => bound({ keys: new Map(), incidents: new Map() }, s, statement, listedIn(s));

/** Holds a later statement, over any gap, to what is bound, and gives what is bound from then on. */
export function follow(b: Bindings, s: Statement, statement: Hash): Bindings {
  if (s.seq < b.seq) throw new Failure("rollback", `number ${s.seq}, and ${b.seq} was seen`);
  if (s.seq === b.seq && statement !== b.statement) throw new Failure("fork", `number ${s.seq}`);
  if (s.seq === b.seq + 1 && s.prev !== b.statement) throw new Failure("fork", `number ${s.seq} does not follow the one seen`);
  if (s.seq === b.seq && b.v > 0) return b;
  const listed = listedIn(s);
  if (b.v > 0) {
    hold(s.v >= b.v, "version", `${s.v} after ${b.v}`);
    hold(s.time >= b.time, "time", `${s.time} after ${b.time}`);
    hold(s.phoneRegion === b.phoneRegion, "region", `${s.phoneRegion} after ${b.phoneRegion}`);
    const incidents = new Map(s.incidents.map((i) => [i.id, i]));
    const keys = new Map(s.keys.map((k) => [k.id, k]));
    const owed = owedBy(b, s, incidents, keys);
    followKeys(b, s, keys, owed);
    if (b.ledger && s.ledger) followLedger(b.ledger, s.ledger);
    followIncidents(b, incidents);
    holdBound(b, listed);
    const there = new Set(listed.map((r) => `${r.incident} ${r.revision}`));
    for (const r of owed) hold(there.has(`${r.incident} ${r.revision}`), "source", `revision ${r.revision} of ${r.incident} is not listed any more`);
  }
  return bound(b, s, statement, listed);
}

/** Holds an earlier statement, of a saved answer, to what is bound: it must have led to it. */
export function precede(b: Bindings, s: Statement): void {
  if (b.v === 0) return;
  hold(s.v <= b.v, "version", `${s.v} before ${b.v}`);
  hold(s.time <= b.time, "time", `${s.time} before ${b.time}`);
  hold(s.phoneRegion === b.phoneRegion, "region", `${s.phoneRegion} before ${b.phoneRegion}`);
  for (const k of s.keys) {
    const is = b.keys.get(k.id);
    hold(is === undefined || same(is, k), "keys", `key ${k.id} is not what it was`);
    hold(is === undefined || is.held || k.held === undefined, "keys", `what was sealed under key ${k.id} is not listed any more`);
  }
  keyBytes(b, s);
  for (const i of s.incidents) {
    const is = b.incidents.get(i.id);
    hold(is !== undefined, "incident", `${i.id} is gone`);
    hold(mayBecome(i.state, is.state), "state", `${i.id} is ${is.state} and was ${i.state}`);
    hold(i.asOf <= is.asOf, "asof", `${i.id} goes back`);
  }
  holdBound(b, listedIn(s));
}

/** Gives each source of a statement, and each revision that an ended key held, as it is bound. */
function listedIn(s: Statement): Placed[] {
  const incidents = new Map(s.incidents.map((i) => [i.id, i]));
  const sources = s.layers.flatMap((l) => l.sources.map((src): Placed => {
    const i = incidents.get(src.incident)!;
    const current = s.v > 1 && i.revision === src.revision;
    return {
      incident: src.incident, revision: src.revision, root: src.root, n: src.n, key: l.key, gone: false, content: contentOf(exposed(i, src.revision)!),
      unreadable: current ? canonical(Object.fromEntries(i.unreadable)) : undefined,
    };
  }));
  const held = s.keys.flatMap((k) => (k.held ?? []).map((h): Placed => ({
    incident: h.incident, revision: h.revision, root: h.root, n: total(h), key: k.id, gone: false, content: contentOf(h), unreadable: undefined,
  })));
  return [...sources, ...held];
}

const contentOf = ({ counts, sets }: Exposed): Hash =>
  toHex(sha256(utf8(canonical({ counts: Object.fromEntries(counts), sets }))));

const allBound = (b: Bindings): Placed[] =>
  [...b.incidents].flatMap(([incident, i]) => [...i.revisions].map(([revision, r]) => ({ incident, revision, ...r })));

/** Gives the revisions that a statement has to go on listing. */
function owedBy(b: Bindings, s: Statement, incidents: Map<string, Incident>, keys: Map<string, Key>): Placed[] {
  return allBound(b).filter((r) => {
    const i = incidents.get(r.incident);
    const key = keys.get(r.key);
    // That a statement does not say what an ended key held is said beside each answer.
    const unsaid = key?.state === "ended" && key.held === undefined;
    if (r.gone || i?.state === "retired" || i?.state === "withdrawn" || (i && unsaid)) return false;
    // Version 1 had no way to go on listing what a later revision replaced. Over a gap nobody can tell which statement of
    // version 1 was the last, and so what the first of version 2 owes.
    return i === undefined || (s.v > 1 && (b.v > 1 || s.seq === b.seq + 1)) || Number(i.revision) <= Number(r.revision);
  });
}

const KEY_MOVES: Record<KeyState, KeyState[]> = {
  live: ["live", "compromised", "ended"], compromised: ["compromised", "ended"], ended: ["ended"],
};

function followKeys(b: Bindings, s: Statement, keys: Map<string, Key>, owed: Placed[]): void {
  for (const [id, k] of b.keys) {
    const now = keys.get(id);
    if (now === undefined) {
      hold(b.v > 1 ? k.gone : !owed.some((r) => r.key === id), "keys", `key ${id} is gone`);
      continue;
    }
    hold(same(k, now), "keys", `key ${id} is not what it was`);
    hold(KEY_MOVES[k.state].includes(now.state), "keys", `key ${id} is ${now.state} and was ${k.state}`);
    hold(!k.held || now.held !== undefined, "keys", `what was sealed under key ${id} is not listed any more`);
  }
  keyBytes(b, s);
}

const same = (k: BoundKey, now: Key): boolean => k.public === toBase64url(now.public) && k.locatorBits === now.locatorBits;

/** Checks that no key's bytes were known under another id. */
function keyBytes(b: Bindings, s: Statement): void {
  const names = new Set([...b.keys.values()].map((k) => k.public));
  for (const k of s.keys) hold(b.keys.has(k.id) || !names.has(toBase64url(k.public)), "keys", `key ${k.id} has the bytes of another`);
}

function followLedger(was: Signing, is: Signing): void {
  hold(is.key !== was.key || is.next === was.next, "ledger", "another key is to follow the same one");
  hold(is.key === was.key || is.key === was.next, "ledger", "the key that signs is not the one that was to follow");
  const [before, now] = [was, is].map((l) => strength(statementPolicy(l.policy).quorum)) as [number, number];
  if (now < before) throw new Failure("policy-weaker", `${now} witnesses after ${before}`);
}

/** Reports whether an incident in one state may be found in another, over any number of steps. */
function mayBecome(was: State, is: State): boolean {
  switch (was) {
    case "investigating": return true;
    case "final": case "reopened": return is !== "investigating" && is !== "by-mail";
    case "by-mail": return is === "by-mail" || is === "retired" || is === "withdrawn";
    default: return was === is;
  }
}

function followIncidents(b: Bindings, incidents: Map<string, Incident>): void {
  const pairs = [...b.incidents].map(([id, was]): [string, BoundIncident, Incident] => {
    const is = incidents.get(id);
    hold(is !== undefined, "incident", `${id} is gone`);
    return [id, was, is];
  });
  for (const [id, was, is] of pairs) hold(mayBecome(was.state, is.state), "state", `${id} is ${is.state} and was ${was.state}`);
  for (const [id, was, is] of pairs) hold(!sealed(is) || Number(is.revision) >= was.revision, "revision", `${id} goes back to revision ${is.revision}`);
  for (const [id, was, is] of pairs) hold(is.asOf >= was.asOf, "asof", `${id} goes back to ${is.asOf}`);
}

/** Checks that a revision is the layer that it always was, and a layer the revision. */
function holdBound(b: Bindings, listed: Placed[]): void {
  const roots = new Map(allBound(b).map((r) => [r.root, r]));
  for (const r of listed) {
    const was = b.incidents.get(r.incident)?.revisions.get(r.revision);
    hold(was === undefined || (was.root === r.root && was.n === r.n && was.key === r.key && was.content === r.content), "bound",
      `revision ${r.revision} of ${r.incident} is not what it was`);
    hold([was?.unreadable, r.unreadable].includes(undefined) || was!.unreadable === r.unreadable, "bound",
      `what could not be read of revision ${r.revision} of ${r.incident} is not what it was`);
    const other = roots.get(r.root);
    hold(other === undefined || (other.incident === r.incident && other.revision === r.revision), "bound",
      `revision ${r.revision} of ${r.incident} is the layer of another`);
    roots.set(r.root, r);
  }
}

/** Gives what is bound after a statement: what it says, and beside it what earlier ones said and it does not. */
function bound(b: Pick<Bindings, "keys" | "incidents">, s: Statement, statement: Hash, listed: Placed[]): Bindings {
  const gone = <T extends { gone: boolean }>(all: Map<string, T> | undefined): [string, T][] =>
    [...(all ?? [])].map(([id, one]) => [id, { ...one, gone: true }]);
  const next: Bindings = {
    v: s.v, seq: s.seq, statement, time: s.time, phoneRegion: s.phoneRegion, ledger: s.ledger,
    keys: new Map(gone(b.keys)), incidents: new Map(),
  };
  for (const k of s.keys) next.keys.set(k.id, { public: toBase64url(k.public), locatorBits: k.locatorBits, state: k.state, gone: false, held: k.held !== undefined });
  for (const i of s.incidents) {
    const was = b.incidents.get(i.id);
    const revision = Math.max(sealed(i) ? Number(i.revision) : 0, was?.revision ?? 0);
    next.incidents.set(i.id, { state: i.state, asOf: i.asOf, revision, revisions: new Map(gone(was?.revisions)) });
  }
  for (const { incident, revision, ...r } of listed) {
    const { revisions } = next.incidents.get(incident)!;
    revisions.set(revision, { ...r, unreadable: r.unreadable ?? revisions.get(revision)?.unreadable });
  }
  return next;
}

/** Gives bindings as they are kept. */
export const encodeBindings = (b: Bindings): JSONValue => ({
  v: b.v, seq: b.seq, statement: b.statement, time: b.time, phoneRegion: b.phoneRegion, ...(b.ledger && { ledger: { ...b.ledger } }),
  keys: object(b.keys, ({ gone, held, ...k }) => ({ ...k, ...(gone && { gone }), ...(held && { held }) })),
  incidents: object(b.incidents, (i) => ({
    state: i.state, asOf: i.asOf, revision: i.revision,
    revisions: object(i.revisions, ({ gone, unreadable, ...r }) =>
      ({ ...r, ...(gone && { gone }), ...(unreadable !== undefined && { unreadable: JSON.parse(unreadable) as JSONValue }) })),
  })),
});

const object = <T>(all: Map<string, T>, each: (one: T) => JSONValue): JSONValue =>
  Object.fromEntries([...all].map(([id, one]) => [id, each(one)]));

/** Reads what encodeBindings gave. */
export function readBindings(value: JSONValue): Bindings {
  const { ledger, ...rest } = Object.fromEntries(entries(value));
  const m = members(rest, "v", "seq", "statement", "time", "phoneRegion", "keys", "incidents");
  if (![0, 1, 2].includes(integer(m.v)) || (m.v === 2) !== (ledger !== undefined)) throw new Error("bindings of no version");
  return {
    v: integer(m.v), seq: integer(m.seq), statement: hash(m.statement), time: time(m.time), phoneRegion: text(m.phoneRegion),
    ledger: ledger === undefined ? undefined : readSigning(ledger),
    keys: map(m.keys, (v) => {
      const { public: bytes, locatorBits, state, gone, held } = members(whole(v, { gone: false, held: false }), "public", "locatorBits", "state", "gone", "held");
      return { public: text(bytes), locatorBits: integer(locatorBits), state: text(state) as KeyState, gone: gone === true, held: held === true };
    }),
    incidents: map(m.incidents, (v) => {
      const i = members(v, "state", "asOf", "revision", "revisions");
      return {
        state: text(i.state) as State, asOf: time(i.asOf), revision: integer(i.revision),
        revisions: map(i.revisions, (one) => {
          const { root, n, key, content, gone, unreadable } = members(whole(one, { gone: false, unreadable: null }), "root", "n", "key", "content", "gone", "unreadable");
          return {
            root: hash(root), n: integer(n), key: text(key), content: hash(content), gone: gone === true,
            unreadable: unreadable === null ? undefined : canonical(unreadable),
          };
        }),
      };
    }),
  };
}

const map = <T>(value: JSONValue, each: (v: JSONValue) => T): Map<string, T> => new Map(entries(value).map(([id, v]) => [id, each(v)]));

/** Gives an object with the members that may be missing. */
const whole = (value: JSONValue, missing: { [name: string]: JSONValue }): JSONValue => ({ ...missing, ...Object.fromEntries(entries(value)) });
