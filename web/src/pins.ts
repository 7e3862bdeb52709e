// The ledgers this browser has met: their keys, since when, and the newest
// statement seen. It mirrors check/pins.go; the page keeps it in localStorage,
// which is one for each web origin, so there is one server in it.
//
// The page comes from the operator, so its word on the ledger's keys is worth
// what the page is worth. What pinning adds: an operator who shows this browser
// another ledger, an older statement or a second one of the same number is caught.

import { Failure } from "./failure.ts";
import { list, members, entries, integer, type JSONValue, parseJSON, text } from "./json.ts";
import { type Hash, hash, type Statement, type Time, time } from "./statement.ts";
import { parseLedgerKey, type VerifierKey } from "./note.ts";

export interface Pin {
  keys: { vkey: string; since: Time }[];
  seq: number; // 0 until a statement was seen
  statement: Hash;
}

export interface Pins {
  current: string; // the origin of the ledger this server had last, or ""
  ledgers: Map<string, Pin>; // by origin
}

const NONE: Hash = "0".repeat(64);

/** Reads what encodePins wrote. Anything else is as good as nothing: it was not this program's. */
export function parsePins(stored: string | null): Pins {
  try {
    const m = members(parseJSON(stored ?? ""), "v", "current", "ledgers");
    if (m.v !== 1) throw new Error("another version");
    return { current: text(m.current), ledgers: new Map(entries(m.ledgers).map(([origin, v]) => [origin, readPin(v)])) };
  } catch {
    return { current: "", ledgers: new Map() };
  }
}

function readPin(value: JSONValue): Pin {
  const m = members(value, "keys", "seq", "statement");
  const keys = list(m.keys, (v) => {
    const k = members(v, "vkey", "since");
    parseLedgerKey(text(k.vkey));
    return { vkey: text(k.vkey), since: time(k.since) };
  });
  return { keys, seq: integer(m.seq), statement: hash(m.statement) };
}

export const encodePins = (p: Pins): string =>
  JSON.stringify({ v: 1, current: p.current, ledgers: Object.fromEntries(p.ledgers) });

/** Gives the keys trusted for an origin: those pinned, and those the page names, which are their successors. */
export function trusted(p: Pins, pageKeys: string[], origin: string): VerifierKey[] {
  const vkeys = new Set([...(p.ledgers.get(origin)?.keys.map((k) => k.vkey) ?? []), ...pageKeys]);
  return [...vkeys].map(parseLedgerKey).filter((k) => k.name === origin);
}

/**
 * Records a verified statement. Refuses one that is older than the newest seen,
 * another of the same number, and a server whose ledger is another than before.
 */
export function seen(p: Pins, origin: string, pageKeys: string[], s: Statement, statement: Hash, now: Time, loopback: boolean): void {
  const pin = p.ledgers.get(origin) ?? { keys: [], seq: 0, statement: NONE };
  if (s.seq < pin.seq) throw new Failure("rollback", `number ${s.seq}, and ${pin.seq} was seen`);
  if (s.seq === pin.seq && statement !== pin.statement) throw new Failure("fork", `number ${s.seq}`);
  if (pin.seq > 0 && s.seq === pin.seq + 1 && s.prev !== pin.statement) {
    throw new Failure("fork", `number ${s.seq} does not follow the one seen`);
  }
  // One on this machine may be made anew at the same address.
  if (!loopback && p.current !== "" && p.current !== origin) throw new Failure("ledger-changed", "another ledger than before");
  const known = new Set(pin.keys.map((k) => k.vkey));
  const added = pageKeys.filter((k) => !known.has(k) && parseLedgerKey(k).name === origin);
  p.current = origin;
  p.ledgers.set(origin, {
    keys: [...pin.keys, ...added.map((vkey) => ({ vkey, since: now }))],
    seq: s.seq,
    statement,
  });
}
