// What a server sees of a check, whatever it refuses: nothing that depends on
// what was found, and no more bits than once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ristretto255_oprf } from "@noble/curves/ed25519.js";
import { Client } from "../src/client.ts";
import { toBase64url } from "../src/encoding.ts";
import { Failure } from "../src/failure.ts";
import type { Options } from "../src/fetching.ts";
import { depths, type Extent } from "../src/group.ts";
import { parseEmail } from "../src/identity.ts";
import { parsePins } from "../src/pins.ts";
import { complete, type Verdict } from "../src/verdict.ts";
import { World } from "./world.ts";

const options = (audit = false): Options => ({ tell: () => {}, signal: new AbortController().signal, audit });

/** Asks as a browser that has met nothing yet. */
async function ask(w: World, address: string, audit = false): Promise<Verdict> {
  const around = { base: "https://shirase.example.org/", pageKeys: [w.vkey], fetch: w.fetch as typeof fetch, now: () => w.now, sleep: async () => {} };
  return (await new Client(around, parsePins(null)).check(parseEmail(address), options(audit))).answer.verdict;
}

/** Serves every source as a layer of its own, as a server with up to eight does. */
function apart(w: World): void {
  const all = (w.statement.layers as any[]).flatMap((l) => l.sources.map((source: any) => ({ key: l.key as string, source })));
  w.statement.layers = [];
  for (const { key, source } of all) w.place(key, [source], w.layers.get(source.root)!.entries);
  w.publish();
}

test("what a server sees depends on nothing that was found, whichever layer or source it refuses, and how", async () => {
  for (const served of ["apart", "folded"]) {
    const w = new World();
    if (served === "apart") apart(w);
    const roots = (w.statement.layers as any[]).flatMap((l) => [l.root as string, ...l.sources.map((s: any) => s.root as string)]);
    for (const root of new Set(roots)) {
      for (const status of [404, 410, 500, 503]) {
        for (const another of status === 503 ? [false, true] : [false]) {
          const seen = new Set<string>();
          const results = new Set<string>();
          for (const who of ["user1@example.com", "dropped@example.com", "nobody@example.com"]) {
            w.requests.length = 0;
            let published = !another;
            w.lie = (path, reply) => {
              if (!path.includes(root)) return reply;
              if (!published) w.publish();
              published = true;
              return new Response("", { status });
            };
            results.add((await ask(w, who)).result);
            seen.add(w.requests.map((r) => r.replace(/tile.*/, "tile").replace(/[0-9a-f]+$/, (hex) => "x".repeat(hex.length))).sort().join("\n"));
          }
          assert.equal(seen.size, 1, `${served}, ${status} for ${root}: ${[...seen].join("\n\n")}`);
          assert.ok(results.size > 1, `nothing different was found: ${served}, ${root}`);
        }
      }
    }
  }
});

/** A world of one incident that claims so many entries that 16 bits leave. Nothing of it is served. */
function large(): World {
  const w = new World();
  const n = 2 ** 26;
  w.publish((s) => {
    s.incidents = s.incidents.filter((i: any) => i.id === "c-2024");
    s.layers = s.layers.filter((l: any) => l.key === "k2");
    s.keys = s.keys.filter((k: any) => k.id === "k2");
    const l = s.layers[0];
    Object.assign(l, { n, bits: 16, pad: 16384 });
    l.sources[0].n = n;
    s.incidents[0].counts = { email: n };
  });
  return w;
}

const voprf = ristretto255_oprf.voprf;
const secondKey = (w: World, id: string) => {
  w.keys.set(id, voprf.generateKeyPair());
  return { id, locatorBits: 16, public: toBase64url(w.keys.get(id)!.publicKey), state: "live" };
};

for (const [what, times, change] of [
  ["the same layers", 2, () => {}],
  ["under another key", 1, (s: any, w: World) => {
    Object.assign(s.keys[0], { state: "ended" });
    s.keys.push(secondKey(w, "k3"));
    s.layers[0].key = "k3";
    // A revision of its own, so that the chain holds.
    s.incidents[0].revision = "2";
    s.layers[0].sources[0].revision = "2";
    Object.assign(s.layers[0], { id: "2".repeat(64), root: "2".repeat(64) });
    s.layers[0].sources[0].root = "2".repeat(64);
  }],
  ["under a second key beside", 1, (s: any, w: World) => {
    s.keys.push(secondKey(w, "k3"));
    s.incidents.push({ ...s.incidents[0], id: "large" });
    const l = structuredClone(s.layers[0]);
    Object.assign(l, { id: "2".repeat(64), root: "2".repeat(64), key: "k3" });
    Object.assign(l.sources[0], { incident: "large", root: l.root });
    s.layers.push(l);
  }],
] as [string, number, (s: any, w: World) => void][]) {
  test(`bits that have left leave no second time: another statement with ${what}`, async () => {
    const w = large();
    let asked = 0;
    w.lie = (path, reply) => {
      if (!path.includes("/layers/")) return reply;
      if (++asked === 1) w.publish((s) => change(s, w));
      return new Response("", { status: 404 });
    };
    const verdict = await ask(w, "user1@example.com");
    assert.equal(verdict.result, "incomplete");
    assert.equal(asked, times);
  });
}

test("all layers of a check are no more than one group may be", () => {
  const layers = (n: number, pad: number): Extent[] => Array.from({ length: n }, (_, i) => ({ id: String(i), key: "k1", n: 1000, bits: 0, pad }));
  for (const [n, pad, coarse] of [[2, 16 << 20, false], [3, 16 << 20, true], [2048, 16 << 10, false], [2049, 16 << 10, true], [8000, 16 << 20, true]] as const) {
    const got = (() => {
      try {
        return depths(layers(n, pad)).size;
      } catch (e) {
        return (e as Failure).code;
      }
    })();
    assert.equal(got, coarse ? "too-coarse" : n, `${n} layers of ${pad} bytes`);
  }
});

/** A world in which twelve incidents more are in the first key's fold. */
function wide(): World {
  const w = new World();
  const fold = w.find("layers", "b-2020");
  w.statement.layers = (w.statement.layers as any[]).filter((l) => l !== fold);
  const sources = [...fold.sources];
  const entries = [...w.layers.get(fold.root)!.entries];
  for (let i = 10; i < 22; i++) {
    w.serve("k1", [{ incident: `w-${i}`, members: [], fill: 20 }]);
    const l = (w.statement.layers as any[]).pop();
    sources.push(l.sources[0]);
    entries.push(...w.layers.get(l.root)!.entries);
  }
  sources.sort((a, b) => (a.incident < b.incident ? -1 : a.incident > b.incident ? 1 : Number(a.revision) - Number(b.revision)));
  w.place("k1", sources, entries);
  w.publish();
  return w;
}

test("a fold that is taken at its word makes an answer incomplete, and says of which incidents", async () => {
  const w = wide();
  const verdict = await ask(w, "nobody@example.com");
  assert.equal(verdict.result, "not-in-scope");
  assert.equal(complete(verdict), false);
  const sources = w.find("layers", "b-2020").sources.length;
  const asked = new Set(w.requests.filter((r) => r.includes("/layers/")).map((r) => r.split("/layers/")[1]!.slice(0, 64)));
  assert.equal(asked.size, 2 + 8);
  const taken = w.find("layers", "b-2020").sources.filter((s: any) => !asked.has(s.root)).map((s: any) => s.incident as string);
  assert.equal(taken.length, sources - 8);
  assert.deepEqual(verdict.sampled, [...new Set(taken)].sort());
  const audited = await ask(w, "nobody@example.com", true);
  assert.deepEqual([complete(audited), audited.sampled], [true, []]);
  // Who is found needs nobody's word.
  assert.ok(!(await ask(w, "user1@example.com")).sampled.includes("a-2013"));
});

/** A world whose first key has ended: all that was under it is sealed anew without its members. */
function ended(said: boolean): World {
  const w = new World();
  const fold = w.find("layers", "b-2020");
  const held = fold.sources.map(({ n: _, ...s }: any) => {
    const i = w.find("incidents", s.incident);
    const { counts, sets } = i.revision === s.revision ? i : i.superseded.find((b: any) => b.revision === s.revision);
    return { ...s, counts, sets };
  });
  w.statement.layers = (w.statement.layers as any[]).filter((l) => l !== fold);
  (w.statement.keys as any[]).push(secondKey(w, "k3"));
  Object.assign(w.find("keys", "k1"), { state: "ended", ...(said && { held }) });
  for (const id of ["a-2013", "b-2020", "re-2021"]) {
    w.serve("k3", [{ incident: id, revision: "9", members: [], fill: 10 }]);
    w.find("incidents", id).superseded = [];
  }
  w.publish();
  return w;
}

test("a key that has ended leaves no complete \"no\" behind, for who comes for the first time too", async () => {
  const said = await ask(ended(true), "user1@example.com");
  assert.deepEqual([said.result, complete(said), said.unlisted], ["affected", false, []]); // by what is under the other key
  assert.deepEqual(said.ended, [{ id: "a-2013", revision: "1" }, { id: "a-2013", revision: "2" }, { id: "b-2020", revision: "1" }, { id: "re-2021", revision: "1" }]);
  const left = await ask(ended(true), "dropped@example.com");
  assert.deepEqual([left.result, complete(left), left.ended.length], ["not-in-scope", false, 4]);
  const unsaid = await ask(ended(false), "dropped@example.com");
  assert.deepEqual([unsaid.result, complete(unsaid), unsaid.ended, unsaid.unlisted], ["not-in-scope", false, [], ["k1"]]);
  assert.equal(complete(await ask(new World(), "nobody@example.com")), true);
});
