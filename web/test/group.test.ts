import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, toHex } from "../src/encoding.ts";
import { bucketOf, ENTRY_SIZE } from "../src/entry.ts";
import { depths, entriesFor, entriesLike, type Extent, groupBytes, groupName, parseGroup, parseSaved } from "../src/group.ts";
import { fails, hex, vectors } from "./vectors.ts";
import { Layer } from "./world.ts";

const all = vectors("check/testdata/group.json");
const layers = new Map<string, any>(vectors("check/testdata/layer.json").vectors.map((v: any) => [v.name, v]));

/** The layer of a vector, with the response to every group of it. */
function layerOf(name: string): Layer {
  const { entries, locatorBits } = layers.get(name);
  const bytes = hex(entries);
  return new Layer(Array.from({ length: bytes.length / ENTRY_SIZE }, (_, i) => bytes.subarray(i * ENTRY_SIZE, (i + 1) * ENTRY_SIZE)), locatorBits);
}

test("group vectors", () => {
  assert.ok(all.vectors.length >= 15);
  for (const v of all.vectors) {
    const layer = layerOf(v.layer);
    const number = parseInt(v.number, 16);
    let body = layer.group(v.p, number);
    if (v.op === "flip") body[v.at]! ^= 1;
    else if (v.op === "cut") body = body.subarray(0, body.length - v.at);
    else if (v.op === "append") body = concat(body, new Uint8Array(v.at));
    else if (v.op === "swap") body = concat(body.subarray(layer.pad, 2 * layer.pad), body.subarray(0, layer.pad));
    const read = (n = number) => parseGroup(body, n, v.p, hex(layer.root), layer.bits, layer.pad);
    if (v.error) {
      fails(v.error, read, v.name);
      continue;
    }
    assert.equal(groupName(v.p, number), `groups/${v.p}/${v.number}`);
    assert.deepEqual([toHex(sha256(body)), body.length], [v.sha256, v.length], v.name);
    const group = read();
    const saved = groupBytes(group);
    const again = (bytes = saved, pad = layer.pad) => parseSaved(bytes, number, v.p, hex(layer.root), layer.bits, pad);
    assert.deepEqual(again(), group, v.name);
    for (const bad of [saved.subarray(1), saved.subarray(0, -1), saved.subarray(0, 3), concat(saved, Uint8Array.of(0)), body]) fails("bucket", () => again(bad), v.name);
    fails("bucket", () => again(saved, 64), v.name);
    if (v.p > 0) fails("bucket", () => read(number ^ 1), v.name);
    const entry = group.buckets.at(-1)!.entries.subarray(0, ENTRY_SIZE);
    assert.deepEqual(entriesFor(group, entry), group.buckets.at(-1)!.entries);
    assert.deepEqual(concat(...entriesLike(group, entry, layer.bits)), group.buckets.at(-1)!.entries);
    assert.equal(entriesLike(group, entry, 24).every((e) => bucketOf(e, 24) === bucketOf(entry, 24)), true);
  }
});

test("what leaves the device: vectors of the budget", () => {
  assert.ok(all.budgets.length >= 16);
  for (const v of all.budgets) {
    const extents: Extent[] = v.layers.map((l: object, i: number) => ({ ...l, id: String(i) }));
    if (v.error) fails(v.error, () => depths(extents, v.limit), v.name);
    else assert.deepEqual([...depths(extents, v.limit).values()], v.depths, v.name);
  }
});
