// The ledgers this browser has met. It mirrors check/pins.go; the page keeps it
// in localStorage, which is one for each web origin, so there is one server in it.
//
// The page comes from the operator, so its word on the ledger's keys is worth
// what the page is worth, and counts only where nothing is pinned. What pinning
// adds: an operator who shows this browser another ledger, another key, another
// history or another past of an incident is caught.

import { type Bindings, encodeBindings, readBindings } from "./chain.ts";
import { entries, integer, type JSONValue, list, members, parseJSON, text } from "./json.ts";
import { parseLedgerKey, type VerifierKey } from "./note.ts";
import { statementPolicy } from "./policy.ts";
import { hash, type Time, time } from "./statement.ts";
import { readCheckpoint } from "./tlogproof.ts";

const MAX_FORKS = 8; // kept as evidence, of one ledger

export interface Pin {
  keys: { vkey: string; since: Time }[]; // the first one met, and successors
  host: string; // where it was first met
  checkpoint: string; // the largest verified, a signed note; "" for none
  bindings: Bindings | undefined; // of the newest statement
  policy: string; // whose witnesses its checkpoints need, as a statement said it
  witnessesChanged: Time; // of the statement by which others came in the place of those before; "" where that was not seen
  forks: [string, string][]; // signed checkpoints that cannot belong to one history
}

export interface Pins {
  current: string; // the origin of the ledger this server had last, or ""
  ledgers: Map<string, Pin>; // by origin
  stored: string | null; // as they are kept
}

/** Since when a key is pinned: not since the ledger's first one is. "" where it is not. */
export function pinnedSince(pin: Pin, vkey: string): Time {
  return pin.keys.find((k) => k.vkey === vkey)?.since ?? "";
}

/** Reads what encodePins wrote, at this host. Anything else is as good as nothing: it was not this program's. */
export function parsePins(stored: string | null, host = ""): Pins {
  try {
    const m = members(parseJSON(stored ?? ""), "v", "current", "ledgers");
    if (m.v !== 1 && m.v !== 2) throw new Error("another version");
    const read = m.v === 1 ? (v: JSONValue) => readPin1(v, host) : readPin;
    return { current: text(m.current), ledgers: new Map(entries(m.ledgers).map(([origin, v]) => [origin, read(v, origin)])), stored };
  } catch {
    return { current: "", ledgers: new Map(), stored };
  }
}

function readPin(value: JSONValue, origin: string): Pin {
  const { witnessesChanged, ...rest } = Object.fromEntries(entries(value));
  const m = members(rest, "keys", "host", "checkpoint", "bindings", "policy", "forks");
  statementPolicy(text(m.policy));
  if (m.checkpoint !== "" && readCheckpoint(text(m.checkpoint)).origin !== origin) throw new Error("a checkpoint of another ledger");
  return {
    witnessesChanged: witnessesChanged === undefined ? "" : time(witnessesChanged),
    keys: readKeys(m.keys), host: text(m.host), checkpoint: text(m.checkpoint), policy: text(m.policy),
    bindings: m.bindings === null ? undefined : readBindings(m.bindings),
    forks: list(m.forks, (pair) => list(pair, text) as [string, string]),
  };
}

/** Version 1 knew a number and a hash of the newest statement. */
function readPin1(value: JSONValue, host: string): Pin {
  const m = members(value, "keys", "seq", "statement");
  const seq = integer(m.seq);
  const bindings: Bindings = {
    v: 0, seq, statement: hash(m.statement), time: "0001-01-01T00:00:00Z", phoneRegion: "", ledger: undefined, keys: new Map(), incidents: new Map(),
  };
  return { keys: readKeys(m.keys), host, checkpoint: "", bindings: seq > 0 ? bindings : undefined, policy: "", witnessesChanged: "", forks: [] };
}

const readKeys = (value: JSONValue): Pin["keys"] => list(value, (v) => {
  const k = members(v, "vkey", "since");
  parseLedgerKey(text(k.vkey));
  return { vkey: text(k.vkey), since: time(k.since) };
});

export function encodePins(p: Pick<Pins, "current" | "ledgers">): string {
  const pins = [...p.ledgers].map(([origin, { bindings, witnessesChanged, ...pin }]) =>
    [origin, { ...pin, ...(witnessesChanged !== "" && { witnessesChanged }), bindings: bindings ? encodeBindings(bindings) : null }]);
  return JSON.stringify({ v: 2, current: p.current, ledgers: Object.fromEntries(pins) });
}

/** Gives the keys pinned for an origin. */
export const pinnedKeys = (p: Pins, origin: string): VerifierKey[] =>
  (p.ledgers.get(origin)?.keys ?? []).map((k) => parseLedgerKey(k.vkey)).filter((k) => k.name === origin);

/** Gives a pin with two checkpoints more that cannot belong to one history. */
export function withFork(pin: Pin, pair: [string, string]): Pin {
  const known = pin.forks.some(([a, b]) => a === pair[0] && b === pair[1]);
  return known || pin.forks.length >= MAX_FORKS ? pin : { ...pin, forks: [...pin.forks, pair] };
}
