import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { bind, type Bindings, encodeBindings, follow, precede, readBindings } from "../src/chain.ts";
import { fromBase64url, fromUTF8, toHex, utf8 } from "../src/encoding.ts";
import { Failure } from "../src/failure.ts";
import { canonical, type JSONValue, parseJSON } from "../src/json.ts";
import { parseStatement, type Statement } from "../src/statement.ts";
import { fails, vectors } from "./vectors.ts";

interface Vector {
  name: string;
  a: string;
  b: string;
  error?: string;
  rule?: string;
}

const all = vectors("check/testdata/chain.json").vectors as Vector[];
const HASH = "b".repeat(64);

const read = (bytes: Uint8Array): [Statement, string] => [parseStatement(bytes), toHex(sha256(bytes))];

/** Bindings as they come back from where they are kept. */
const remembered = (b: Bindings): Bindings => readBindings(parseJSON(JSON.stringify(encodeBindings(b))));

/** The statement in the bytes, with some of its members changed. */
const changed = (bytes: Uint8Array, members: { [name: string]: JSONValue }): Uint8Array<ArrayBuffer> =>
  utf8(canonical({ ...JSON.parse(fromUTF8(bytes)), ...members }));

function ends(v: Vector, run: () => unknown, what: string): void {
  try {
    run();
  } catch (e) {
    assert.ok(e instanceof Failure, String(e));
    assert.deepEqual([e.code, e.code === "chain" ? e.reason : undefined], [v.error, v.rule], what);
    return;
  }
  assert.equal(undefined, v.error, what);
}

test("chain vectors, over gaps of 1, 7 and 400", () => {
  assert.ok(all.length > 60);
  for (const v of all) {
    const [a, hash] = read(fromBase64url(v.a));
    const bytes = fromBase64url(v.b);
    ends(v, () => follow(remembered(bind(a, hash)), ...read(bytes)), v.name);
    if (v.error === "fork" || v.error === "rollback" || v.name === "the-same") continue;
    for (const gap of [7, 400]) {
      // Over a gap nobody knows what the last statement of version 1 listed.
      if (v.name.startsWith("next-")) {
        follow(remembered(bind(a, hash)), ...read(changed(bytes, { seq: a.seq + gap, prev: HASH })));
        continue;
      }
      const later = changed(bytes, { seq: a.seq + gap, prev: HASH });
      ends(v, () => follow(remembered(bind(a, hash)), ...read(later)), `${v.name} over ${gap}`);
    }
  }
});

test("what is bound is kept in the JSON that Go keeps", () => {
  for (const v of all) {
    const b = bind(...read(fromBase64url(v.a)));
    assert.deepEqual(remembered(b), b);
  }
  const kept = encodeBindings(bind(...read(fromBase64url(all[0]!.a)))) as any;
  assert.deepEqual(Object.keys(kept), ["v", "seq", "statement", "time", "phoneRegion", "ledger", "keys", "incidents"]);
  assert.deepEqual(Object.keys(kept.keys.k1), ["public", "locatorBits", "state"]);
  assert.deepEqual(Object.keys(kept.incidents.alpha), ["state", "asOf", "revision", "revisions"]);
  assert.deepEqual(Object.keys(kept.incidents.alpha.revisions["1"]), ["root", "n", "key", "content"]);
});

test("a number and a hash alone, of a pin of version 1, bind as much as they can", () => {
  const vector = (name: string) => all.find((v) => v.name === name)!;
  const old = (seq: number, statement: string): Bindings =>
    ({ v: 0, seq, statement, time: "", phoneRegion: "", ledger: undefined, keys: new Map(), incidents: new Map() });
  const [b, hash] = read(fromBase64url(vector("region").b));
  assert.equal(follow(old(b.seq, hash), b, hash).v, 2);
  assert.equal(follow(old(b.seq - 1, b.prev), b, hash).phoneRegion, "KR");
  follow(old(b.seq - 7, HASH), b, hash);
  fails("fork", () => follow(old(b.seq, HASH), b, hash));
  fails("fork", () => follow(old(b.seq - 1, HASH), b, hash));
  fails("rollback", () => follow(old(b.seq + 1, HASH), b, hash));
});

test("what was bound before the newest statement stays bound", () => {
  const vector = (name: string) => all.find((v) => v.name === name)!;
  const start = bind(...read(fromBase64url(vector("retired").a)));
  // gamma's layer, after gamma was withdrawn, under another name.
  const withdrawn = follow(start, ...read(changed(fromBase64url(vector("withdrawn").b), { seq: start.seq + 5 })));
  const again = read(changed(fromBase64url(vector("root-of-another").b), { seq: start.seq + 9 }))[0];
  again.incidents.find((i) => i.id === "gamma")!.state = "withdrawn";
  fails("chain", () => follow(remembered(withdrawn), again, HASH));
  assert.ok([...withdrawn.incidents.get("gamma")!.revisions.values()].every((r) => r.gone));
});

test("an earlier statement must have led to what is bound", () => {
  // What a later statement need not have kept, or is bound otherwise.
  const elsewhere = ["key-gone", "key-live-again", "key-not-ended-again", "the-same"];
  assert.ok(all.some((v) => v.name.startsWith("next-")));
  for (const v of all) {
    if (elsewhere.includes(v.name) || (v.error && v.error !== "chain") || ["ledger", "source", "revision"].includes(v.rule ?? "")) continue;
    const b = bind(...read(changed(fromBase64url(v.b), { seq: 99, prev: HASH })));
    const run = () => precede(b, read(fromBase64url(v.a))[0]);
    if (v.error) fails("chain", run, v.name);
    else run();
  }
});

test("over several statements, what was seen long ago still binds", () => {
  const { statements, vectors: histories } = vectors("check/testdata/chains.json") as
    { statements: string[]; vectors: { name: string; shown: number[]; earlier?: number; error?: string; rule?: string }[] };
  assert.ok(histories.length > 60);
  for (const v of histories) {
    const [first, ...rest] = v.shown.map((i) => read(fromBase64url(statements[i]!)));
    const last = v.earlier === undefined ? rest.pop() : undefined;
    const before = rest.reduce((b, s) => follow(remembered(b), ...s), bind(...first!));
    const ended = { ...v, a: "", b: "" };
    if (last) ends(ended, () => follow(remembered(before), ...last), v.name);
    else ends(ended, () => precede(remembered(before), read(fromBase64url(statements[v.earlier!]!))[0]), v.name);
  }
});
