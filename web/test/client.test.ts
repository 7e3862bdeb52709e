import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeAnswer, parseAnswer } from "../src/answer.ts";
import { Client } from "../src/client.ts";
import { utf8 } from "../src/encoding.ts";
import { Failure } from "../src/failure.ts";
import type { Options, Progress } from "../src/fetching.ts";
import { parseEmail } from "../src/identity.ts";
import { display, namesOf } from "../src/names.ts";
import { parseLedgerKey } from "../src/note.ts";
import { parsePins } from "../src/pins.ts";
import { verifyAnswer } from "../src/verify.ts";
import { Layer, World } from "./world.ts";

const told: Progress[] = [];
const slept: number[] = [];
const options = (o: Partial<Options> = {}): Options =>
  ({ tell: (p) => told.push(p), signal: new AbortController().signal, audit: false, ...o });

function client(world: World): Client {
  return new Client({
    base: "https://shirase.example.org/", pageKeys: [world.vkey], fetch: world.fetch as typeof fetch, now: () => world.now,
    sleep: async (ms) => void slept.push(ms),
  }, parsePins(null));
}

const ask = (c: Client, address: string, o?: Partial<Options>) => c.check(parseEmail(address), options(o));

const verdict = async (w: World, address: string) => (await ask(client(w), address)).answer.verdict;

async function failsWith(code: string, promise: Promise<unknown>, what?: string): Promise<void> {
  const got = await promise.then(() => "an answer", (e) => (e instanceof Failure ? e.code : e));
  assert.equal(got, code, what);
}

const world = new World();
const layersPath = /\/check\/v1\/layers\//;
const served = (w: World) => (w.statement.layers as any[]).map((l) => l.root as string);
const isServed = (w: World, path: string) => served(w).some((root) => path.includes(root));

test("affected, with the proof that verifies again", async () => {
  for (const audit of [false, true]) {
    const { answer, known } = await ask(client(world), "User1@example.com", { audit });
    assert.equal(answer.verdict.result, "affected");
    assert.deepEqual(answer.verdict.incidents, [
      { id: "a-2013", classes: ["email", "password:hashed"] }, { id: "c-2024", classes: ["email", "password:hashed"] },
    ]);
    assert.deepEqual(answer.verdict.checked, ["a-2013", "b-2020", "c-2024"]);
    assert.deepEqual(answer.verdict.notCovered.map((n) => n.why), ["by-mail", "investigating", "retired", "reopened", "withdrawn"]);
    assert.deepEqual(answer.verdict.dropped, []);
    assert.equal(answer.groups.length, 2);
    assert.equal(answer.sources.length, 4); // of eight that are drawn, or of all
    const again = verifyAnswer(parseAnswer(utf8(encodeAnswer(answer))), [parseLedgerKey(world.vkey)]);
    assert.deepEqual(again.answer, answer);
    const names = namesOf(answer, known, "ja");
    assert.equal(names.affected, 2);
    assert.equal(names.open, 1);
    assert.equal(names.ledgerIndex, 3);
    assert.equal((names.incidents as any)[0].title, "事案 a-2013");
  }
});

test("not in scope is told of what was checked only", async () => {
  const { answer } = await ask(client(world), "nobody@example.com");
  assert.equal(answer.verdict.result, "not-in-scope");
  assert.equal(display(answer), "not-in-scope");
  assert.deepEqual(answer.verdict.incidents, []);
});

test("whoever was in a revision and is not in the next is told", async () => {
  assert.equal(display((await ask(client(world), "dropped@example.com")).answer), "dropped");
  const v = await verdict(world, "dropped@example.com");
  assert.deepEqual([v.result, v.incidents, v.dropped], ["not-in-scope", [], [{ id: "a-2013", revision: "1", classes: ["email", "nickname"] }]]);
  assert.deepEqual((await verdict(world, "user1@example.com")).dropped, []);
  // The kind is not indexed any more: the incident is not covered, and the drop is told all the same.
  const w = new World();
  w.find("incidents", "a-2013").counts = { phone: w.find("incidents", "a-2013").counts.email };
  w.publish();
  const other = await verdict(w, "dropped@example.com");
  assert.deepEqual(other.notCovered.find((n) => n.id === "a-2013"), { id: "a-2013", why: "kind-not-indexed" });
  assert.equal(other.dropped[0]!.revision, "1");
});

test("an incident that is examined again affects, and gives no \"no\"", async () => {
  assert.deepEqual((await verdict(world, "again@example.com")).incidents.map((i) => i.id), ["re-2021"]);
  const v = await verdict(world, "nobody@example.com");
  assert.ok(!v.checked.includes("re-2021"));
  assert.deepEqual(v.notCovered.find((n) => n.id === "re-2021"), { id: "re-2021", why: "reopened" });
});

test("beside a \"no\" stands how many could not be read, and what was checked under a compromised key", async () => {
  const w = new World();
  w.find("incidents", "b-2020").unreadable = { email: 3, phone: 9, rows: 2 };
  w.find("incidents", "c-2024").unreadable = { phone: 9 };
  w.find("keys", "k2").state = "compromised";
  w.publish();
  const { answer, known } = await ask(client(w), "nobody@example.com");
  assert.deepEqual(answer.verdict.unreadable, [{ id: "b-2020", n: 5 }]);
  assert.deepEqual(answer.verdict.compromised, ["c-2024"]);
  const names = namesOf(answer, known, "en") as any;
  assert.deepEqual(names.checkedList.map((i: any) => [i.id, i.unreadable]), [["a-2013", 0], ["b-2020", 5], ["c-2024", 0]]);
  assert.deepEqual(names.compromisedList.map((i: any) => i.title), ["Incident c-2024"]);
  assert.deepEqual([names.origin, names.ledgerKey, names.host, names.since, names.firstUse, names.witnesses],
    ["shirase.example.org/ledger", known.vouched.key, "shirase.example.org", "2026-11-22T00:10:00Z", true, []]);
  assert.deepEqual([names.organisations, names.asOf], [[{ organisation: "例示株式会社" }], "2026-11-22T00:00:00Z"]);
});

test("the steps, and the requests: what is asked depends on no result", async () => {
  told.length = 0;
  const shapes = [];
  for (const address of ["user1@example.com", "dropped@example.com", "nobody@example.com"]) {
    world.requests.length = 0;
    await ask(client(world), address, { audit: true });
    shapes.push(world.requests.map((r) => r.replace(/[0-9a-f]+$/, (hex) => "x".repeat(hex.length))).sort());
  }
  assert.deepEqual(shapes[0], shapes[1]);
  assert.deepEqual(shapes[0], shapes[2]);
  assert.equal(shapes[0]!.length, 1 + 2 + 2 + 4);
  for (const r of shapes[0]!) assert.doesNotMatch(r, /example/);
  const steps = told.flatMap((p) => ("step" in p ? [p.step] : []));
  assert.deepEqual([...new Set(steps)], ["statement", "sealing", "evaluating", "proving", "fetching", "comparing"]);
});

test("a small key is fetched whole, of a large one a prefix is shown", async () => {
  const w = new World({ fill: 45_000 });
  await ask(client(w), "user1@example.com");
  const asked = w.requests.filter((r) => layersPath.test(r) && isServed(w, r)).map((r) => r.replace(/.*\/(groups|buckets)/, "$1"));
  // The first key's fold has 4 buckets, which are fetched at once. The other's 5 bits are all that may be shown: one bucket.
  assert.equal(asked.filter((r) => r === "groups/0/0").length, 1);
  assert.equal(asked.filter((r) => /^buckets\/[01][0-9a-f]$/.test(r)).length, 1);
  assert.equal(asked.length, 2);
});

test("an index that claims entries without end is refused before anything leaves", async () => {
  const w = new World();
  const l = w.find("layers", "c-2024");
  const n = 2 ** 35;
  w.publish((s) => {
    Object.assign(l, { n, bits: 16, pad: 16 << 20 });
    l.sources[0].n = n;
    w.find("incidents", "c-2024").counts = { email: n };
    s.keys.find((k: any) => k.id === "k2").locatorBits = 24;
    l.bits = 24;
  });
  await failsWith("too-coarse", ask(client(w), "user1@example.com"));
  assert.deepEqual(w.requests, ["GET /check/v1/statement"]);
});

test("a statement fetched ahead is used for some minutes", async () => {
  const c = client(world);
  world.requests.length = 0;
  await Promise.all([c.prefetch(), ask(c, "user1@example.com")]);
  await ask(c, "user2@example.com");
  const fetched = () => world.requests.filter((r) => r.endsWith("/statement")).length;
  assert.equal(fetched(), 1);
  world.now += 6 * 60_000;
  await ask(c, "user2@example.com");
  assert.equal(fetched(), 2);
  world.now -= 6 * 60_000;
});

/** Each lie ends in a failure with its name, and never in a "no". */
const lies: [string, string, (w: World) => void][] = [
  ["proof", "another evaluator key", (w) => {
    const [a, b] = [w.keys.get("k1")!, w.keys.get("k2")!];
    w.keys.set("k1", b).set("k2", a);
  }],
  ["element", "an element that is none", (w) => (w.lie = change("/evaluate", (j) => (j.evaluated = ["A".repeat(43)])))],
  ["server", "no element", (w) => (w.lie = change("/evaluate", (j) => (j.evaluated = [])))],
  ["server", "null for the elements", (w) => (w.lie = change("/evaluate", (j) => (j.evaluated = null)))],
  ["server", "null for the statement", (w) => (w.lie = change("/statement", (j) => (j.statement = null)))],
  ["server", "a member missing", (w) => (w.lie = change("/statement", (j) => { delete j.proof; }))],
  ["server", "an unknown member", (w) => (w.lie = change("/evaluate", (j) => (j.more = 1)))],
  ["server", "no JSON", (w) => (w.lie = (p, r) => (p.endsWith("/evaluate") ? new Response("{") : r))],
  ["server", "a reply without an end", (w) => (w.lie = (p, r) => (p.endsWith("/evaluate") ? new Response(" ".repeat(1 << 17)) : r))],
  ["expired", "a stale statement", (w) => (w.now = Date.parse("2026-11-22T06:00:00Z"))],
  ["not-yet", "a statement from the future", (w) => (w.now = Date.parse("2026-11-21T23:49:00Z"))],
  ["statement", "a statement that contradicts itself", (w) => w.publish((s) => (s.phoneRegion = "jp"))],
  ["inclusion", "a statement that is not in the ledger", (w) => (w.lie = change("/statement", (j) => (j.statement = j.statement.replace(/.$/, "A"))))],
  ["checkpoint", "another ledger", (w) => (w.lie = change("/statement", (j) => (j.proof = j.proof.replaceAll("shirase.example.org", "shirase.example.net"))))],
  ["checkpoint", "a wrong signature", (w) => (w.lie = change("/statement", (j) => (j.proof = j.proof.replace("\n5\n", "\n6\n"))))],
  ["checkpoint", "a statement that names another key than signed it", (w) => w.publish((s) => (s.ledger.key = "a".repeat(64)))],
  ["inclusion", "no proof", (w) => (w.lie = change("/statement", (j) => (j.proof = "")))],
  ["bucket", "swapped buckets", (w) => {
    for (const l of w.layers.values()) {
      const [first, ...rest] = [...l.responses];
      if (rest.length > 0) for (const [name] of l.responses) l.responses.set(name, name === first![0] ? rest[0]![1] : first![1]);
    }
  }],
  ["bucket", "a group of another length", (w) => (w.lie = part((b) => b.slice(1)))],
  ["bucket", "a group that is longer than the statement says", (w) => (w.lie = (p, r) => (layersPath.test(p) ? new Response(new Uint8Array(1 << 20)) : r))],
  ["bucket", "a bit flipped in a bucket", (w) => (w.lie = part((b) => b.map((byte, i) => (i === 20 ? byte ^ 1 : byte))))],
  ["server", "an error", (w) => (w.lie = (p, r) => (p.endsWith("/evaluate") ? new Response("", { status: 500 }) : r))],
  ["server", "no such thing", (w) => (w.lie = (p, r) => (p.endsWith("/evaluate") ? new Response("", { status: 404 }) : r))],
  ["server", "a layer that is forbidden", (w) => (w.lie = (p, r) => (layersPath.test(p) ? new Response("", { status: 403 }) : r))],
  ["unwitnessed", "a server that says that nobody cosigns", (w) => (w.lie = (p, r) => (p.endsWith("/statement") ?
    Response.json({ type: "/problems/unwitnessed", status: 503 }, { status: 503, headers: { "Content-Type": "application/problem+json" } }) : r))],
  ["server", "a server that cannot", (w) => (w.lie = (p, r) => (p.endsWith("/statement") ?
    Response.json({ type: "/problems/unavailable" }, { status: 503, headers: { "Content-Type": "application/problem+json" } }) : r))],
  ["network", "no connection", (w) => (w.lie = () => { throw new TypeError("fetch failed"); })],
  ["busy", "waits without end", (w) => (w.lie = (p, r) => (p.endsWith("/evaluate") ? new Response("", { status: 429, headers: { "Retry-After": "7" } }) : r))],
  ["busy", "a long wait", (w) => (w.lie = (p, r) => (p.endsWith("/evaluate") ? new Response("", { status: 429, headers: { "Retry-After": "3600" } }) : r))],
];

function change(path: string, edit: (json: any) => void): World["lie"] {
  return async (p, reply) => {
    if (!p.endsWith(path)) return reply;
    const json = await reply.json();
    edit(json);
    return Response.json(json);
  };
}

function part(edit: (bytes: Uint8Array) => Uint8Array): World["lie"] {
  return async (p, reply) => (layersPath.test(p) ? new Response(edit(new Uint8Array(await reply.arrayBuffer())) as Uint8Array<ArrayBuffer>) : reply);
}

for (const [code, what, lie] of lies) {
  test(`a server that lies: ${what} is ${code}`, async () => {
    const w = new World();
    lie(w);
    await failsWith(code, ask(client(w), "user1@example.com"));
  });
}

test("429 is waited out and told", async () => {
  const w = new World();
  let refused = 0;
  w.lie = (path, reply) => (path.endsWith("/evaluate") && refused++ < 2 ? new Response("", { status: 429, headers: { "Retry-After": "3" } }) : reply);
  told.length = slept.length = 0;
  const { answer } = await ask(client(w), "user1@example.com");
  assert.equal(answer.verdict.result, "affected");
  assert.deepEqual(slept, [3000, 3000]);
  assert.deepEqual(told.flatMap((p) => ("waiting" in p ? [p.waiting] : [])).sort(), [0, 0, 3, 3]);
});

test("a layer that is not served is named, and is no \"no\"", async () => {
  for (const status of [404, 410, 500, 503]) {
    const w = new World();
    w.lie = (path, reply) => (layersPath.test(path) ? new Response("", { status }) : reply);
    const { answer } = await ask(client(w), "user1@example.com");
    assert.equal(answer.verdict.result, "incomplete");
    assert.equal(display(answer), "incomplete");
    assert.deepEqual(answer.verdict.checked, []);
    assert.equal(answer.verdict.notCovered.filter((n) => n.why === "layer-missing").length, 4);
    const again = verifyAnswer(parseAnswer(utf8(encodeAnswer(answer))), [parseLedgerKey(w.vkey)]);
    assert.equal(again.answer.verdict.result, "incomplete");
  }
  const part = new World();
  const withheld = part.find("layers", "b-2020").root;
  part.lie = (path, reply) => (path.includes(withheld) ? new Response("", { status: 404 }) : reply);
  const { answer } = await ask(client(part), "nobody@example.com");
  assert.equal(answer.verdict.result, "incomplete");
  assert.deepEqual(answer.verdict.checked, ["c-2024"]);
  assert.equal((await ask(client(part), "user1@example.com")).answer.verdict.result, "affected");
});

test("a statement that was replaced since it was fetched ahead", async () => {
  for (const where of [layersPath, /\/evaluate$/]) {
    const w = new World();
    const c = client(w);
    await c.prefetch();
    w.publish();
    let statements = 0;
    w.lie = (path, reply) => {
      if (path.endsWith("/statement")) statements++;
      return where.test(path) && statements === 0 ? new Response("", { status: 404 }) : reply;
    };
    const { answer } = await ask(c, "user1@example.com");
    assert.equal(answer.verdict.result, "affected");
    assert.equal(answer.verdict.seq, 2);
    assert.equal(statements, 1);
  }
});

test("a fold whose entries were replaced by noise is found, without being asked to", async () => {
  const w = new World();
  const fold = w.find("layers", "b-2020");
  const honest = w.layers.get(fold.root)!;
  const source = w.layers.get(fold.sources.find((s: any) => s.revision === "2").root)!;
  const noise = (e: Uint8Array) => e.map((b, i) => (i > 2 && i < 9 ? b ^ 0x55 : b)) as Uint8Array<ArrayBuffer>;
  // The victims' entries, and all others of their source, which is drawn as all four are.
  const members = new Set(source.entries.map(String));
  w.statement.layers = (w.statement.layers as any[]).filter((l) => l !== fold);
  w.place("k1", fold.sources, honest.entries.map((e) => (members.has(String(e)) ? noise(e) : e)));
  w.publish();
  await failsWith("audit", ask(client(w), "user1@example.com"));
  await failsWith("audit", ask(client(w), "user1@example.com", { audit: true }));
});

test("a fold that holds more than its sources, or whose source is withheld, is found", async () => {
  const w = new World();
  const fold = w.find("layers", "b-2020");
  const missing = new World();
  for (const s of missing.find("layers", "b-2020").sources) missing.layers.delete(s.root);
  assert.deepEqual((await verdict(missing, "nobody@example.com")).checked, ["c-2024"]);
  await failsWith("audit", ask(client(missing), "user1@example.com", { audit: true }));
  const other = w.layers.get(fold.sources[0].root)!;
  const swapped = new Layer([...other.entries.slice(1), other.entries[0]!.map((b, i) => (i === 8 ? b ^ 1 : b)) as Uint8Array<ArrayBuffer>], 16);
  w.layers.set(swapped.root, swapped);
  w.publish(() => (fold.sources[0].root = swapped.root));
  await failsWith("audit", ask(client(w), "user1@example.com", { audit: true }));
});

test("stopping stops", async () => {
  const w = new World();
  const stop = new AbortController();
  w.lie = (path, reply) => {
    if (path.endsWith("/evaluate")) stop.abort();
    return reply;
  };
  await failsWith("network", ask(client(w), "user1@example.com", { signal: stop.signal }));
  assert.deepEqual(w.requests.filter((r) => layersPath.test(r)), []);
});
