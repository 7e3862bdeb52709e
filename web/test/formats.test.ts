import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { bucketBits, bucketName, parseBucket } from "../src/bucket.ts";
import { concat, fromBase64, fromBase64url, toBase64url, toHex, utf8 } from "../src/encoding.ts";
import { bucketOf, ENTRY_SIZE, findEntry, sealEntry } from "../src/entry.ts";
import { named } from "../src/failure.ts";
import { canonical, parseJSON } from "../src/json.ts";
import { parseStatement } from "../src/statement.ts";
import { leaf as entryOf } from "../src/tlogproof.ts";
import { blindWith, finalize, warmUp } from "../src/voprf.ts";
import { fails, hex, vectors } from "./vectors.ts";

test("RFC 9497 vectors", () => {
  const rfc = vectors("check/testdata/rfc9497.json");
  assert.ok(rfc.vectors.length >= 3);
  for (const v of rfc.vectors) {
    const split = (s: string) => s.split(",").map(hex);
    const blinds = split(v.blind);
    const batch = split(v.input).map((input, i) => blindWith(input, blinds[i]!));
    assert.deepEqual(batch.map((b) => toHex(b.element)).join(","), v.blindedElement);
    const outputs = finalize(hex(rfc.pkSm), batch, split(v.evaluationElement), hex(v.proof));
    assert.deepEqual(outputs.map(toHex).join(","), v.output);
    const proof = hex(v.proof);
    for (const byte of [0, 31, 32, 63]) {
      const wrong = proof.map((b, i) => (i === byte ? b ^ 1 : b));
      fails("proof", () => finalize(hex(rfc.pkSm), batch, split(v.evaluationElement), wrong));
    }
    fails("proof", () => finalize(hex(rfc.pkSm), batch, split(v.evaluationElement), proof.subarray(1)));
    fails("proof", () => finalize(batch[0]!.element, batch, split(v.evaluationElement), proof));
    fails("element", () => finalize(hex(rfc.pkSm), batch, split(v.evaluationElement).map(() => new Uint8Array(32)), proof));
    fails("element", () => finalize(hex(rfc.pkSm), batch, split(v.evaluationElement).map((e) => e.fill(0xff)), proof));
  }
});

test("a blind is a canonical scalar above zero", () => {
  const order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  for (const bad of [new Uint8Array(32), order, new Uint8Array(31), new Uint8Array(32).fill(255)]) {
    fails("scalar", () => blindWith(new Uint8Array(1), bad));
  }
  warmUp();
});

test("entry vectors", () => {
  for (const v of vectors("check/testdata/entry.json").vectors) {
    const output = hex(v.output);
    const entry = sealEntry(output, v.locatorBits, v.incident, v.revision, v.set);
    assert.equal(toHex(entry), v.entry);
    assert.equal(findEntry(entry, output, v.locatorBits, v.incident, v.revision), v.set);
    assert.equal(findEntry(entry, output, v.locatorBits, v.incident + "x", v.revision), undefined);
    fails("entry", () => findEntry(entry.map((b, i) => (i === 12 ? b ^ 1 : b)), output, v.locatorBits, v.incident, v.revision));
  }
});

test("an entry is found wherever it lies among sorted ones", () => {
  const output = hex(vectors("check/testdata/entry.json").vectors[0].output);
  const mine = sealEntry(output, 16, "a", "1", 7);
  const other = (first: number) => concat(Uint8Array.of(first), mine.subarray(1));
  for (const others of [[], [0x00], [0xff], [0x00, 0xff], [0x00, 0x01, 0xfe, 0xff]]) {
    const around = [...others.filter((f) => f < mine[0]!).map(other), mine, ...others.filter((f) => f > mine[0]!).map(other)];
    assert.equal(findEntry(concat(...around), output, 16, "a", "1"), 7);
  }
});

test("layer vectors", () => {
  for (const v of vectors("check/testdata/layer.json").vectors) {
    assert.equal(bucketBits(v.n, v.locatorBits), v.bits);
    const entries = hex(v.entries);
    const leaves = bucketsOf(entries, v.bits);
    const [root, paths] = tree(leaves);
    assert.equal(toHex(root), v.root, v.name);
    leaves.forEach((leaf, number) => {
      const count = new Uint8Array(4);
      new DataView(count.buffer).setUint32(0, leaf.length / ENTRY_SIZE);
      const body = concat(count, leaf, ...paths[number]!);
      if (v.buckets) assert.equal(toHex(body), v.buckets[bucketName(number, v.bits)]);
      const padded = concat(body, new Uint8Array(v.pad - body.length));
      assert.deepEqual(parseBucket(padded, number, root, v.bits, v.pad).bytes, body);
      assert.deepEqual(parseBucket(body, number, root, v.bits, 0).entries, leaf);
      fails("bucket", () => parseBucket(body, number, root, v.bits, v.pad), "length");
      fails("bucket", () => parseBucket(padded.map((b, i) => (i === padded.length - 1 ? 1 : b)), number, root, v.bits, v.pad), "padding");
      for (let at = 0; at < body.length; at += 97) {
        const flipped = padded.map((b, i) => (i === at ? b ^ 1 : b));
        fails("bucket", () => parseBucket(flipped, number, root, v.bits, v.pad), `byte ${at}`);
      }
      if (v.bits > 0) fails("bucket", () => parseBucket(padded, number ^ 1, root, v.bits, v.pad), "another bucket");
    });
  }
});

function bucketsOf(entries: Uint8Array, bits: number): Uint8Array[] {
  const lists: Uint8Array[][] = Array.from({ length: 2 ** bits }, () => []);
  for (let i = 0; i < entries.length; i += ENTRY_SIZE) {
    const e = entries.subarray(i, i + ENTRY_SIZE);
    lists[bucketOf(e, bits)]!.push(e);
  }
  return lists.map((list) => concat(...list));
}

function tree(leaves: Uint8Array[]): [Uint8Array<ArrayBuffer>, Uint8Array[][]] {
  let level = leaves.map((l) => sha256(concat(Uint8Array.of(0), l)));
  const paths: Uint8Array[][] = leaves.map(() => []);
  for (let height = 0; level.length > 1; height++) {
    paths.forEach((path, i) => path.push(level[(i >> height) ^ 1]!));
    level = level.filter((_, i) => i % 2 === 0).map((left, i) => sha256(concat(Uint8Array.of(1), left, level[2 * i + 1]!)));
  }
  return [level[0] as Uint8Array<ArrayBuffer>, paths];
}

test("numbers of buckets beyond 2^31", () => {
  assert.equal(bucketBits(2 ** 40, 24), 24);
  assert.equal(bucketBits(2 ** 34, 24), 24);
  assert.equal(bucketBits(2 ** 34 - 1, 24), 23);
  assert.equal(bucketBits(2047, 16), 0);
  assert.equal(bucketBits(2048, 16), 1);
  assert.equal(bucketName(10, 10), "00a");
  assert.equal(bucketName(0, 0), "0");
  assert.equal(bucketOf(Uint8Array.of(0xff, 0xff, 0xff), 24), 0xffffff);
});

for (const [version, { vectors: all }] of [vectors("check/testdata/statement.json"), vectors("check/testdata/statement2.json")].entries()) test(`vectors of statements of version ${version + 1}`, () => {
  assert.ok(all.length > 50);
  for (const v of all) {
    const read = () => {
      const bytes = named("statement", () => fromBase64url(v.bytes));
      parseStatement(bytes);
      return toHex(sha256(bytes));
    };
    if (v.error) fails(v.error, read, v.name);
    else assert.equal(read(), v.hash, v.name);
  }
});

test("base64url is strict", () => {
  for (let n = 0; n < 70; n++) {
    const bytes = Uint8Array.from({ length: n }, (_, i) => (i * 37 + n) & 255);
    assert.equal(toBase64url(bytes), Buffer.from(bytes).toString("base64url"));
    assert.deepEqual(fromBase64url(toBase64url(bytes)), bytes);
    assert.deepEqual(fromBase64(Buffer.from(bytes).toString("base64")), bytes);
  }
  for (const bad of ["A", "AB", "AAB", "AA==", "AA\n", " AA", "A+", "A/", "AAAA\r\n", "ＡＡ", "AAAAA"]) {
    assert.throws(() => fromBase64url(bad), Error, JSON.stringify(bad));
  }
  assert.throws(() => fromBase64("AA"));
  assert.throws(() => fromBase64("A==="));
  assert.throws(() => fromBase64url("AAAA", 4));
});

test("JSON is strict", () => {
  for (const bad of ['{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', '[{"a":1,"\\u0061":1}]', '"\\ud800"', '{"\\udc00":1}', "1.0", "1e2", "[-0]",
    "9007199254740992", "-9007199254740993", "\ufeff1", "01", '{"a\\":1,"a":1}', '{"__proto__":1,"__proto__":2}', "[".repeat(200000)]) {
    assert.throws(() => parseJSON(bad), Error, bad.slice(0, 40));
  }
  for (const good of ['{"a:b":"c:d","\\\\":":"}', '[1,-1,0,9007199254740991,"1.5e3","-0",null,true,false]', '"\\ud83d\\ude00"', '{"a":"\\\\\\""}',
    '{"__proto__":{"a":1}}']) {
    assert.deepEqual(parseJSON(good), JSON.parse(good), good);
  }
});

test("canonical JSON orders names by UTF-16 code units (RFC 8785 section 3.2.3)", () => {
  const value = parseJSON('{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control","\\u00f6":"Latin Small Letter O With Diaeresis"}');
  const order = [...canonical(value).matchAll(/:"([^"]*)"/g)].map((m) => m[1]);
  assert.deepEqual(order, ["Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign", "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"]);
  assert.equal(canonical(parseJSON('"\\u2028\\/\\u001f\\u007f<\\b"')), '"\u2028/\\u001f\u007f<\\b"');
  assert.deepEqual(utf8(canonical(parseJSON('{"b":[],"a":{}}'))), utf8('{"a":{},"b":[]}'));
});

test("an entry of the ledger is what Go makes of it, of a head over all cases too", () => {
  for (const v of vectors("check/testdata/cases.json")) assert.deepEqual([...entryOf("cases", utf8(v.head))], [...hex(v.leaf)]);
});
