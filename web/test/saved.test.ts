import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { encodeAnswer } from "../src/answer.ts";
import { bind } from "../src/chain.ts";
import { Client } from "../src/client.ts";
import { toHex, utf8 } from "../src/encoding.ts";
import { Failure } from "../src/failure.ts";
import type { Options } from "../src/fetching.ts";
import { parseEmail } from "../src/identity.ts";
import { encodePins, parsePins, type Pin, type Pins } from "../src/pins.ts";
import { parseStatement } from "../src/statement.ts";
import { fault, verifySaved } from "../src/verify.ts";
import { Signer } from "./log.ts";
import { fails } from "./vectors.ts";
import { World } from "./world.ts";

const ORIGIN = "shirase.example.org/ledger";
const options: Options = { tell: () => {}, signal: new AbortController().signal, audit: false };

/** Asks a world, and gives the saved answer with what the browser remembers from then on. */
async function saved(w: World, pins = parsePins(null)): Promise<{ file: Uint8Array; pins: Pins }> {
  const c = new Client({ base: "https://shirase.example.org/", pageKeys: [w.vkey], fetch: w.fetch as typeof fetch, now: () => w.now, sleep: async () => {} }, pins);
  const { answer } = await c.check(parseEmail("nobody@example.com"), options);
  return { file: utf8(encodeAnswer(answer)), pins: parsePins(encodePins(c.pins)) };
}

const verify = (file: Uint8Array, pins: Pins, keys: string[] = []) => verifySaved(file, pins, keys, () => {});

/** Pins of which the one of the test's ledger is changed. */
const pinned = (pins: Pins, change: (pin: Pin) => void): Pins => {
  const copy = parsePins(encodePins(pins));
  change(copy.ledgers.get(ORIGIN)!);
  return copy;
};

test("a saved answer is verified by what is remembered, or else by what the page names", async () => {
  const w = new World();
  const { file, pins } = await saved(w);
  const first = verify(file, pins);
  assert.deepEqual([first.vouched.since, first.vouched.met, first.vouched.host], ["2026-11-22T00:10:00Z", false, "shirase.example.org"]);
  const { vouched } = verify(file, parsePins(null), [w.vkey]);
  assert.deepEqual([vouched.since, vouched.met, vouched.origin, vouched.key], ["", true, ORIGIN, w.vkey.slice(ORIGIN.length + 1, ORIGIN.length + 9)]);
  fails("not-pinned", () => verify(file, parsePins(null)));
  fails("not-pinned", () => verify(file, parsePins(null), [new Signer("other.example.org", "first").vkey]));
  fails("checkpoint", () => verify(file, parsePins(null), [new Signer(ORIGIN, "thief").vkey]));
  // What the page names counts for nothing where something is pinned.
  const other = pinned(pins, (p) => (p.keys = [{ vkey: new Signer(ORIGIN, "thief").vkey, since: "2026-01-01T00:00:00Z" }]));
  fails("checkpoint", () => verify(file, other, [w.vkey]));
});

test("an answer from before and one from after what is remembered are of one history with it", async () => {
  const w = new World();
  const before = await saved(w);
  w.publish();
  const after = await saved(w, before.pins);
  verify(before.file, after.pins);
  verify(after.file, before.pins);
  w.succeed();
  const succeeded = await saved(w, after.pins);
  verify(before.file, succeeded.pins); // an old answer, after its key has ended
  fails("checkpoint", () => verify(succeeded.file, before.pins));
});

test("what cannot be true together with what is remembered is told so", async () => {
  const w = new World();
  const { file, pins } = await saved(w);
  for (const [code, change] of [
    ["fork", (p: Pin) => (p.checkpoint = p.checkpoint.replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${"A".repeat(43)}=\n`))],
    ["fork", (p: Pin) => (p.bindings!.statement = "1".repeat(64))],
    ["chain", (p: Pin) => Object.assign(p.bindings!, { seq: 9, phoneRegion: "KR" })],
    ["chain", (p: Pin) => Object.assign(p.bindings!, { seq: 9, time: "2026-11-21T00:00:00Z" })],
  ] as const) {
    const what = (() => {
      try {
        verify(file, pinned(pins, change));
      } catch (e) {
        return e as Failure;
      }
      return undefined;
    })();
    assert.deepEqual([what?.code, what && fault(what)], [code, "contradicts"]);
  }
  // A later answer is held to the rules of the chain, and to the witnesses that are remembered.
  w.publish();
  const later = await saved(w);
  fails("chain", () => verify(later.file, pinned(pins, (p) => (p.bindings!.phoneRegion = "KR"))));
  const witness = new Signer("witness.example.org/a", "a", 4);
  fails("unwitnessed", () => verify(later.file, pinned(pins, (p) => (p.policy = `witness a ${witness.vkey}\nquorum a\n`))));
  verify(file, pinned(pins, (p) => (p.policy = `witness a ${witness.vkey}\nquorum a\n`))); // an earlier one is of its time
});

test("an answer whose statement wants witnesses needs their cosignatures", async () => {
  const w = new World();
  const witness = new Signer("witness.example.org/a", "a", 4);
  w.signers.push(witness);
  w.publish((s) => (s.ledger.policy = `witness a ${witness.vkey}\nquorum a\n`));
  const { file } = await saved(w);
  assert.deepEqual(verify(file, parsePins(null), [w.vkey]).vouched.witnesses, ["witness.example.org/a"]);
  const bare = new TextDecoder().decode(file).replace(/\\n— witness[^"]*\\n"/, '\\n"');
  assert.notEqual(bare.length, file.length);
  fails("unwitnessed", () => verify(utf8(bare), parsePins(null), [w.vkey]));
});

test("pins of version 1 and after an upgrade", async () => {
  const w = new World({ v: 1 });
  const { file } = await saved(w);
  const statement = toHex(sha256(w.bytes));
  const old = (hash: string) => parsePins(JSON.stringify({ v: 1, current: ORIGIN, ledgers: { [ORIGIN]: { keys: [{ vkey: w.vkey, since: "2026-01-02T03:04:05Z" }], seq: 1, statement: hash } } }));
  assert.equal(verify(file, old(statement)).vouched.since, "2026-01-02T03:04:05Z");
  fails("fork", () => verify(file, old("1".repeat(64))));
  assert.equal(bind(parseStatement(w.bytes), statement).v, 1);
});
