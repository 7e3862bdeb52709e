// The list of services as a server gives it: its head is in the ledger, its
// bytes are those that the head names. What is kept on the device is brought up
// to date by what has changed.

import { fromBase64url, fromUTF8 } from "../encoding.ts";
import { Failure, named } from "../failure.ts";
import { type Options, Server, type Surroundings, UNWATCHED } from "../fetching.ts";
import { integer, members, parseJSON, text } from "../json.ts";
import { parseLedgerKey, type VerifierKey } from "../note.ts";
import { type Pins, pinnedKeys } from "../pins.ts";
import { NO_WITNESSES, statementPolicy } from "../policy.ts";
import { hash, time } from "../statement.ts";
import { openCheckpoint, proofOrigin, verifyInclusion } from "../tlogproof.ts";
import { applyChange, hashOf, type Item, MAX_LIST, parseList } from "./list.ts";

const MAX_HEAD = 128 << 10; // bytes

/** A list, and what vouches for it. */
export interface Known {
  items: Item[];
  time: string; // when it was made
  bytes: number;
  index: number; // of its entry in the ledger
  origin: string;
  pinned: boolean; // the ledger's key is one that this browser has met in a check
  received: number; // bytes of text that came: 0 where the device had it
}

/** What a device keeps of a list. */
export interface Kept {
  index: number;
  text: string;
}

/** Gets the newest list, given what is kept of an earlier one. */
export async function fetchList(around: Surroundings, pins: Pins, kept: Kept | undefined, options: Options = UNWATCHED): Promise<{ known: Known; kept: Kept }> {
  const server = new Server(around);
  const reply = await server.json("services/v1/head", MAX_HEAD, options);
  const { bytes, proof } = named("server", () => {
    const m = members(reply, "head", "proof");
    return { bytes: fromBase64url(text(m.head)), proof: text(m.proof) };
  });
  const origin = proofOrigin(proof);
  const met = pinnedKeys(pins, origin);
  const keys: VerifierKey[] = met.length > 0 ? met : around.pageKeys.map(parseLedgerKey).filter((k) => k.name === origin);
  if (keys.length === 0) throw new Failure("checkpoint", "a ledger whose key is not known");
  const { index, checkpoint } = verifyInclusion("services", bytes, proof, { keys, policy: NO_WITNESSES });
  const policy = pins.ledgers.get(origin)?.policy ?? "";
  openCheckpoint(checkpoint.note, { keys, policy: named("statement", () => statementPolicy(policy)) });
  if (kept !== undefined && index < kept.index) throw new Failure("rollback", "an older list than before");
  const head = named("server", () => {
    const m = members(parseJSON(fromUTF8(bytes)), "bytes", "incidents", "list", "time", "v");
    if (m.v !== 1) throw new Error("another version");
    return { bytes: integer(m.bytes), incidents: integer(m.incidents), list: hash(m.list), time: time(m.time) };
  });
  if (head.bytes > MAX_LIST) throw new Failure("server", "a list that is too long");
  const { list, received } = await bytesOf(server, head.list, head.bytes, kept, options);
  const items = parseList(list);
  if (items.length !== head.incidents) throw new Failure("server", "another number of incidents than the head says");
  const known = { items, time: head.time, bytes: head.bytes, index, origin, pinned: met.length > 0, received };
  return { known, kept: { index, text: list } };
}

async function bytesOf(server: Server, wanted: string, bytes: number, kept: Kept | undefined, options: Options): Promise<{ list: string; received: number }> {
  const had = kept === undefined ? "" : hashOf(kept.text);
  if (had === wanted) return { list: kept!.text, received: 0 };
  if (kept !== undefined) {
    const change = await server.tile(`services/v1/lists/${wanted}/since/${had}`, bytes, options);
    if (change !== undefined) {
      try {
        return { list: applyChange(kept.text, fromUTF8(change), wanted), received: change.length };
      } catch {
        // What is kept is not what was once verified: the whole is asked for.
      }
    }
  }
  const whole = await server.tile(`services/v1/lists/${wanted}`, bytes, options);
  if (whole === undefined) throw new Failure("server", "the list is not there");
  const list = named("server", () => fromUTF8(whole));
  if (hashOf(list) !== wanted) throw new Failure("server", "other bytes than the ledger commits to");
  return { list, received: whole.length };
}
