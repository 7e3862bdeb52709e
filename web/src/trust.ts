// What a ledger is held to: its keys and who follows them, its witnesses, and
// what this browser has seen of it. It mirrors check/trust.go and
// check/succession.go.

import { sha256 } from "@noble/hashes/sha2.js";
import { bind, type Bindings, follow } from "./chain.ts";
import { type Bytes, fromBase64url, toBase64url, toHex, utf8 } from "./encoding.ts";
import { type Code, Failure, named } from "./failure.ts";
import { type Options, type Server, type Surroundings, UNWATCHED } from "./fetching.ts";
import { extend, Fork, type Tiles } from "./history.ts";
import { entries, list, members, text } from "./json.ts";
import { parseLedgerKey, type VerifierKey } from "./note.ts";
import { encodePins, parsePins, type Pin, pinnedKeys, pinnedSince, type Pins, withFork } from "./pins.ts";
import { NO_WITNESSES, otherWitnesses, statementPolicy } from "./policy.ts";
import { type Hash, milliseconds, parseStatement, type Statement, type Time } from "./statement.ts";
import { type Checkpoint, type Inclusion, openCheckpoint, proofOrigin, readCheckpoint, verifyInclusion } from "./tlogproof.ts";

const CLOCK_SKEW = 10 * 60_000; // milliseconds, tolerated before "not-yet" and "clock"
const BEHIND = 2_000; // milliseconds that one of several servers may go on with the statement before
/** Failures in which what was seen and what is shown cannot both be true. */
const EVIDENT: Code[] = ["fork", "rollback", "chain", "policy-weaker"];
const MAX_STATEMENT_REPLY = 8 << 20; // bytes
const MAX_KEY_LIST = 64 << 20;
const MAX_TILE = 8 << 10;
const MAX_MOVES = 8; // how often other tabs may meet more of a ledger while one does

/** Who stands behind an answer. */
export interface Vouched {
  origin: string;
  key: string; // 8 hex digits
  since: Time; // pinned; "" where nothing is
  host: string; // where it was first met
  witnesses: string[]; // that cosigned
  met: boolean; // just now, for the first time
  witnessesChanged: Time; // when others came in their place; "" where that was not seen
}

/** A verified statement. */
export interface Known {
  statement: Statement;
  bytes: Bytes;
  proof: string;
  inclusion: Inclusion;
  vouched: Vouched;
  at: number; // when it was fetched
}

/** A statement as a ledger shows it. */
interface Shown {
  statement: Statement;
  hash: Hash;
  checkpoint: Checkpoint;
}

/** A key of a ledger, and the last statement under it, which named the key that follows; undefined for the key that signs now. */
interface Step {
  key: VerifierKey;
  last: Shown | undefined;
}

export class Ledger {
  constructor(private readonly server: Server, private readonly around: Surroundings, public pins: Pins) {}

  /** Fetches the newest statement. A server that is behind for a moment is asked once more. */
  async statement(options: Options): Promise<Known> {
    try {
      return await this.newest(options);
    } catch (e) {
      if (!(e instanceof Failure) || e.code !== "rollback" || options === UNWATCHED) throw e;
    }
    await this.around.sleep(BEHIND, options.signal);
    return this.newest(options);
  }

  private async newest(options: Options): Promise<Known> {
    const reply = await this.server.json("check/v1/statement", MAX_STATEMENT_REPLY, options);
    const { bytes, proof } = named("server", () => {
      const m = members(reply, "statement", "proof");
      return { bytes: fromBase64url(text(m.statement)), proof: text(m.proof) };
    });
    const origin = proofOrigin(proof);
    for (let moves = 0; moves < MAX_MOVES; moves++) {
      const { pins } = this;
      const seen = pins.ledgers.get(origin)?.checkpoint;
      try {
        const known = await this.verify(bytes, proof, origin, pins, options);
        if (known) return known;
      } catch (e) {
        if (e instanceof Failure && seen && EVIDENT.includes(e.code)) e.evidence = this.evidence(e, seen, bytes, proof);
        throw e;
      }
    }
    throw new Failure("busy", "other tabs met more of the ledger again and again");
  }

  /** Gives what was seen and what is shown as a file of evidence (docs/FORMAT.md), which others verify. */
  private evidence(e: Failure, seen: string, statement: Bytes, proof: string): string {
    const [before, shown] = (e instanceof Fork && e.pair) || [seen, proof.slice(proof.indexOf("\n\n") + 2)];
    return JSON.stringify({
      v: 1, type: "shirase evidence", rule: e.code === "chain" ? e.reason : e.code, what: e.message,
      found: toTime(this.around.now()), server: this.around.base,
      checkpoints: before === shown ? [before] : [before, shown],
      consistency: e instanceof Fork ? e.consistency.map(toBase64url) : [],
      entries: [{ kind: "statement", sha256: toHex(sha256(statement)), bytes: toBase64url(statement), proof }],
      buckets: [],
    }, null, 1) + "\n";
  }

  /** Verifies a statement that is shown, and pins it; undefined where another tab has met more of its ledger meanwhile. */
  private async verify(bytes: Bytes, proof: string, origin: string, pins: Pins, options: Options): Promise<Known | undefined> {
    const now = this.around.now();
    const pin = pins.ledgers.get(origin);
    let { keys, steps } = await this.keys(origin, pins, options);
    const prove = () => verifyInclusion("statement", bytes, proof, { keys, policy: NO_WITNESSES });
    let inclusion: Inclusion;
    try {
      inclusion = prove();
    } catch (e) {
      if (!(e instanceof Failure) || e.code !== "checkpoint" || !pin?.keys.length) throw e;
      // The ledger may have another key by now, which the pinned one named.
      steps = await this.succession(origin, pin, options);
      keys = [...keys, ...steps.map((s) => s.key)];
      inclusion = prove();
    }
    const statement = parseStatement(bytes);
    const { checkpoint } = inclusion;
    if (statement.ledger && statement.ledger.key !== vkeyHash(checkpoint.key.vkey)) {
      throw new Failure("checkpoint", "the statement names another key of the ledger than signed it");
    }
    fresh(statement, pin, now);
    const witnesses = cosigned(checkpoint, [pin?.policy ?? "", statement.ledger?.policy ?? ""]);
    const after = await this.remember(pins, steps, { statement, hash: toHex(sha256(bytes)), checkpoint }, options);
    if (after === undefined) return undefined;
    const { host, witnessesChanged } = after;
    const vouched = { origin, key: checkpoint.key.hash, since: pinnedSince(after, checkpoint.key.vkey), host, witnesses, met: pin === undefined, witnessesChanged };
    return { statement, bytes, proof, inclusion, vouched, at: now };
  }

  /** Gives the keys for an origin: pinned ones, or where neither it nor this server was met before, those that the page names. */
  private async keys(origin: string, pins: Pins, options: Options): Promise<{ keys: VerifierKey[]; steps: Step[] }> {
    const { hostname } = new URL(this.around.base);
    // One on this machine may be made anew at the same address.
    if (!loopback(hostname) && pins.current !== "" && pins.current !== origin) throw new Failure("ledger-changed", "another ledger than before");
    const pinned = pinnedKeys(pins, origin);
    if (pinned.length > 0) return { keys: pinned, steps: [] };
    const keys = this.around.pageKeys.map(parseLedgerKey).filter((k) => k.name === origin);
    if (keys.length === 0) throw new Failure("checkpoint", "a ledger whose key is not known");
    return { keys, steps: await this.belongs(origin, keys, options) };
  }

  /**
   * Refuses a ledger that is met for the first time under a name that is not the
   * server's own and does not carry the hash of its first key.
   */
  private async belongs(origin: string, keys: VerifierKey[], options: Options): Promise<Step[]> {
    const { host, hostname } = new URL(this.around.base);
    const own = (name: string) => origin === name || origin.startsWith(`${name}/`);
    const carries = (k: VerifierKey | undefined) => k !== undefined && origin.endsWith(`/${toHex(sha256(k.public).subarray(0, 8))}`);
    if (loopback(hostname) || own(host) || own(hostname) || keys.every(carries)) return [];
    const foreign = new Failure("origin", `${host} shows ${origin}`);
    const steps = await this.follow(origin, await this.keyList(options).catch(() => []), 0).catch(() => { throw foreign; });
    if (!carries(steps[0]?.key) || !keys.every((k) => steps.some((s) => s.key.vkey === k.vkey))) throw foreign;
    return steps;
  }

  private async keyList(options: Options): Promise<Listed[]> {
    const reply = await this.server.json("ledger/v1/keys", MAX_KEY_LIST, options);
    return named("checkpoint", () => list(members(reply, "keys").keys, (v) => {
      if (entries(v).length === 1) return { vkey: text(members(v, "vkey").vkey), statement: new Uint8Array(), proof: "" };
      const m = members(v, "vkey", "statement", "proof");
      if (m.statement === "" || m.proof === "") throw new Error("an empty statement or proof");
      return { vkey: text(m.vkey), statement: fromBase64url(text(m.statement)), proof: text(m.proof) };
    }));
  }

  /** Follows the ledger's keys from one that is pinned to the one that signs now. */
  private async succession(origin: string, pin: Pin, options: Options): Promise<Step[]> {
    const keys = await this.keyList(options).catch((e) => {
      throw new Failure("checkpoint", `no list of the ledger's keys: ${e}`);
    });
    const current = pin.bindings?.ledger?.key;
    const start = current ?
      keys.findIndex((k) => vkeyHash(k.vkey) === current) :
      keys.map((k) => pin.keys.some((p) => p.vkey === k.vkey)).lastIndexOf(true);
    return this.follow(origin, keys, start);
  }

  /** Verifies a list of keys from one that is trusted: each has signed a checkpoint that holds a statement that names the next. */
  private async follow(origin: string, keys: Listed[], start: number): Promise<Step[]> {
    const from = keys.slice(Math.max(0, start));
    if (start < 0 || from.length === 0) throw new Failure("checkpoint", "the pinned key is not in the list of the ledger's keys");
    return from.map((listed, i) => {
      const key = named("checkpoint", () => parseLedgerKey(listed.vkey));
      const next = from[i + 1];
      const bare = listed.proof === "" && listed.statement.length === 0;
      if (key.name !== origin || key.vkey !== listed.vkey || bare !== (next === undefined)) throw new Failure("checkpoint", "a key of the list is not one of the ledger's");
      if (next === undefined) return { key, last: undefined };
      const last = prior(listed, key);
      const { ledger } = last.statement;
      if (ledger?.key !== vkeyHash(key.vkey) || ledger.next !== vkeyHash(next.vkey)) throw new Failure("checkpoint", "a key does not follow from the one before");
      return { key, last };
    });
  }

  /** Holds a statement and its checkpoint to what was seen of the ledger, and pins them; undefined where more was seen meanwhile. */
  private async remember(pins: Pins, steps: Step[], shown: Shown, options: Options): Promise<Pin | undefined> {
    const { checkpoint, statement } = shown;
    const pin = pins.ledgers.get(checkpoint.origin);
    let bindings: Bindings;
    try {
      bindings = await this.goesOn(pin, steps, shown, options);
    } catch (e) {
      if (e instanceof Fork && e.pair) await this.keepFork(checkpoint.origin, e.pair);
      throw e;
    }
    const since = toTime(this.around.now());
    const keys = [...(pin?.keys ?? [])];
    for (const { vkey } of [...steps.map((s) => s.key), checkpoint.key]) if (!keys.some((k) => k.vkey === vkey)) keys.push({ vkey, since });
    const before = pin?.policy ?? "";
    const policy = statement.ledger?.policy ?? before; // both are satisfied, and it is no weaker
    const after: Pin = {
      keys, bindings, checkpoint: checkpoint.note, forks: pin?.forks ?? [], policy,
      host: pin?.host || new URL(this.around.base).host,
      witnessesChanged: otherWitnesses(before, policy) ? statement.time : (pin?.witnessesChanged ?? ""),
    };
    return (await this.keep(pins, checkpoint.origin, checkpoint.origin, after)) ? after : undefined;
  }

  /**
   * Keeps what is known of a ledger in the place of what was known when it was
   * verified; false where something else is kept by now, which is known then.
   */
  private async keep(pins: Pins, current: string, origin: string, after: Pin): Promise<boolean> {
    const ledgers = new Map(pins.ledgers).set(origin, after);
    const stored = encodePins({ current, ledgers });
    const other = await this.around.keep?.(pins.stored, stored);
    this.pins = other ? parsePins(other.now, new URL(this.around.base).host) : { current, ledgers, stored };
    return other === undefined;
  }

  /** Keeps two checkpoints that cannot belong to one history. */
  private async keepFork(origin: string, pair: [string, string]): Promise<void> {
    for (let moves = 0; moves < MAX_MOVES; moves++) {
      const { pins } = this;
      const pin = pins.ledgers.get(origin);
      if (pin === undefined || (await this.keep(pins, pins.current, origin, withFork(pin, pair)))) return;
    }
  }

  /** Proves that what is shown goes on from what is pinned, and gives what is bound from then on. */
  private async goesOn(pin: Pin | undefined, steps: Step[], { statement, hash, checkpoint }: Shown, options: Options): Promise<Bindings> {
    const tiles: Tiles = (path) => this.server.tile(path, MAX_TILE, options);
    const goesOnFrom = (note: string) => extend(readCheckpoint(note), checkpoint, tiles).catch((e) => {
      if (e instanceof Fork) e.pair = [note, checkpoint.note];
      throw e;
    });
    if (pin && pin.checkpoint !== "") await goesOnFrom(pin.checkpoint);
    let bindings = pin?.bindings;
    for (const { last } of steps) { // what a key that led on signed is of the history that is shown, also for whoever comes for the first time
      if (last === undefined) continue;
      await goesOnFrom(last.checkpoint.note);
      if (bindings) bindings = follow(bindings, last.statement, last.hash);
    }
    return bindings ? follow(bindings, statement, hash) : bind(statement, hash);
  }
}

interface Listed {
  vkey: string;
  statement: Bytes; // empty, as the proof is, of the key that signs now
  proof: string;
}

/** Reads the last statement under a key, which that key has signed. */
function prior({ statement, proof }: Listed, key: VerifierKey): Shown {
  try {
    const { checkpoint } = verifyInclusion("statement", statement, proof, { keys: [key], policy: NO_WITNESSES });
    return { statement: parseStatement(statement), hash: toHex(sha256(statement)), checkpoint };
  } catch (e) {
    throw new Failure("checkpoint", `the last statement under a key: ${e}`);
  }
}

/** How a statement names a key of the ledger. */
export const vkeyHash = (vkey: string): Hash => toHex(sha256(utf8(vkey)));

/** Holds a checkpoint to several policies, and gives the witnesses that cosigned. */
export function cosigned(checkpoint: Checkpoint, policies: string[]): string[] {
  const names = [...new Set(policies)].flatMap((policy) =>
    openCheckpoint(checkpoint.note, { keys: [checkpoint.key], policy: named("statement", () => statementPolicy(policy)) }).witnesses);
  return [...new Set(names)].sort();
}

function fresh(s: Statement, pin: Pin | undefined, now: number): void {
  if (pin?.bindings && milliseconds(pin.bindings.time) > now + CLOCK_SKEW) throw new Failure("clock", `${pin.bindings.time} was seen`);
  if (now >= milliseconds(s.expires)) throw new Failure("expired", `expired at ${s.expires}`);
  if (milliseconds(s.time) > now + CLOCK_SKEW) throw new Failure("not-yet", `from ${s.time}`);
}

const loopback = (hostname: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);

/** Gives a time of whole seconds. */
export const toTime = (milliseconds: number): Time => new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, "Z");
