import assert from "node:assert/strict";
import { test } from "node:test";
import { ristretto255_oprf } from "@noble/curves/ed25519.js";
import { Client } from "../src/client.ts";
import { type Bytes, concat, fromBase64url, toBase64url } from "../src/encoding.ts";
import { ENTRY_SIZE } from "../src/entry.ts";
import type { Identity } from "../src/identity.ts";
import { Kept, UNTOLD, type Visit, visits } from "./visits.ts";
import { hex, vectors } from "./vectors.ts";
import { Layer } from "./world.ts";

interface Asked {
  path: string;
  key?: string;
  sent?: number;
  bytes?: number;
}

interface Transcript {
  name: string;
  server: string;
  before?: Visit[];
  visit: Visit;
  secretKeys: Record<string, string>;
  gone?: string[];
  noGroups?: boolean;
  identity: Identity;
  asked: Asked[][];
  result: string;
}

const STEPS = ["check/v1/statement", "check/v1/evaluate", "check/v1/layers", "ledger/v1/keys", "tile/"];
const stepOf = (a: Asked): string => STEPS.find((s) => a.path.startsWith(s)) ?? a.path;
const order = (a: Asked, b: Asked): number => (a.path + (a.key ?? "") < b.path + (b.key ?? "") ? -1 : 1);

const { layers, vectors: all } = vectors("check/testdata/transcript.json") as
  { layers: Record<string, { locatorBits: number; pad: number; entries: string }>; vectors: Transcript[] };

/** A layer's bucket responses, of the length that the vector says. */
function layerOf(root: string): { layer: Layer; padded: (b: Bytes) => Bytes } {
  const { locatorBits, pad, entries } = layers[root]!;
  const bytes = fromBase64url(entries);
  const layer = new Layer(Array.from({ length: bytes.length / ENTRY_SIZE }, (_, i) => bytes.subarray(i * ENTRY_SIZE, (i + 1) * ENTRY_SIZE)), locatorBits);
  assert.equal(layer.root, root);
  return { layer, padded: (b) => concat(b, new Uint8Array(pad - b.length)) };
}

const problem = (name: string) => new Response(JSON.stringify({ type: `/problems/${name}` }), { status: 404, headers: { "Content-Type": "application/problem+json" } });

/** What the server of a vector answers beside what a visit has. */
function answered(v: Transcript, path: string, init?: RequestInit): Response | undefined {
  if (path === "check/v1/evaluate") {
    const { key, blinded } = JSON.parse(String(init!.body));
    const secret = hex(v.secretKeys[key]!);
    const { evaluated, proof } = ristretto255_oprf.voprf.blindEvaluateBatch(secret, publicOf(v, key), blinded.map((b: string) => fromBase64url(b)));
    return Response.json({ evaluated: evaluated.map(toBase64url), proof: toBase64url(proof) });
  }
  const [, root, rest] = /^check\/v1\/layers\/([0-9a-f]{64})\/(.*)$/.exec(path) ?? [];
  if (root === undefined) return undefined;
  if (v.gone?.includes(root)) return problem("unknown-layer");
  const { layer, padded } = layerOf(root);
  const [, bucket] = /^buckets\/([0-9a-f]+)$/.exec(rest!) ?? [];
  const [, p, number] = /^groups\/(\d+)\/([0-9a-f]+)$/.exec(rest!) ?? [];
  if (bucket !== undefined) return new Response(padded(layer.responses.get(bucket)!));
  if (v.noGroups || p === undefined) return problem("unknown-path");
  const width = Math.max(1, Math.ceil(layer.bits / 4));
  const n = 2 ** (layer.bits - Number(p));
  const names = Array.from({ length: n }, (_, i) => (parseInt(number!, 16) * n + i).toString(16).padStart(width, "0"));
  return new Response(concat(...names.map((name) => padded(layer.responses.get(name)!))));
}

const publicOf = (v: Transcript, key: string): Bytes => {
  const { keys } = JSON.parse(new TextDecoder().decode(fromBase64url(v.visit.statement)));
  return fromBase64url(keys.find((k: { id: string }) => k.id === key).public);
};

for (const v of all) {
  test(`what is asked for: ${v.name}`, async () => {
    const kept = new Kept();
    await visits({ name: v.name, server: v.server, visits: v.before ?? [] }, kept);
    const steps: Asked[][] = [];
    const around = kept.around(v.server, v.visit, [], (path, init) => answered(v, path, init));
    const { fetch } = around;
    around.fetch = (async (target: URL, init?: RequestInit) => {
      const { pathname, search } = new URL(target);
      const asked: Asked = { path: pathname.slice(1) + search };
      if (steps.length === 0 || stepOf(steps.at(-1)![0]!) !== stepOf(asked)) steps.push([]);
      steps.at(-1)!.push(asked);
      const reply = await fetch(target, init);
      if (init?.body) Object.assign(asked, { key: JSON.parse(String(init.body)).key, sent: String(init.body).length });
      else if (reply.ok && !/(statement|keys)$/.test(asked.path)) asked.bytes = (await reply.clone().arrayBuffer()).byteLength;
      return reply;
    }) as typeof globalThis.fetch;
    const { answer } = await new Client(around, kept.pins(v.server)).check(v.identity, UNTOLD);
    assert.equal(answer.verdict.result, v.result);
    assert.deepEqual(steps.map((s) => s.sort(order)), v.asked.map((s) => [...s].sort(order)));
  });
}
