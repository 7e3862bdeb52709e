import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { encodeAnswer, parseAnswer, verifyAnswer } from "../src/answer.ts";
import { Client, type Options, type Progress } from "../src/client.ts";
import { toHex, utf8 } from "../src/encoding.ts";
import { Failure } from "../src/failure.ts";
import { parseEmail } from "../src/identity.ts";
import { display, namesOf } from "../src/names.ts";
import { encodePins, parsePins } from "../src/pins.ts";
import { parseLedgerKey } from "../src/note.ts";
import { World } from "./world.ts";

const told: Progress[] = [];
const slept: number[] = [];
const options = (o: Partial<Options> = {}): Options =>
  ({ tell: (p) => told.push(p), signal: new AbortController().signal, audit: false, ...o });

function client(world: World, base = "https://shirase.example.org/"): Client {
  return new Client({
    base, pageKeys: [world.vkey], fetch: world.fetch as typeof fetch, now: () => world.now,
    sleep: async (ms) => void slept.push(ms),
  }, parsePins(null));
}

const ask = (c: Client, address: string, o?: Partial<Options>) => c.check(parseEmail(address), options(o));

async function failsWith(code: string, promise: Promise<unknown>, what?: string): Promise<void> {
  const got = await promise.then(() => "an answer", (e) => (e instanceof Failure ? e.code : e));
  assert.equal(got, code, what);
}

const world = new World();

test("affected, with the proof that verifies again", async () => {
  for (const audit of [false, true]) {
    const { answer, known } = await ask(client(world), "User1@example.com", { audit });
    assert.equal(answer.verdict.result, "affected");
    assert.deepEqual(answer.verdict.incidents, [
      { id: "a-2013", classes: ["email", "password:hashed"] }, { id: "c-2024", classes: ["email", "password:hashed"] },
    ]);
    assert.deepEqual(answer.verdict.checked, ["a-2013", "b-2020", "c-2024"]);
    assert.deepEqual(answer.verdict.notCovered.map((n) => n.why), ["by-mail", "investigating", "retired"]);
    const again = verifyAnswer(parseAnswer(utf8(encodeAnswer(answer))), [parseLedgerKey(world.vkey)]);
    assert.deepEqual(again.answer.verdict, answer.verdict);
    const names = namesOf(answer, known.statement, known.inclusion, "ja");
    assert.equal(names.affected, 2);
    assert.equal(names.open, 1);
    assert.equal(names.entries, 3513);
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

test("the steps, and the requests: what is asked depends on no result", async () => {
  told.length = 0;
  const shapes = [];
  for (const address of ["user1@example.com", "nobody@example.com"]) {
    world.requests.length = 0;
    await ask(client(world), address);
    shapes.push(world.requests.map((r) => r.replace(/[0-9a-f]+$/, (hex) => "x".repeat(hex.length))).sort());
  }
  assert.deepEqual(shapes[0], shapes[1]);
  assert.equal(shapes[0]!.length, 1 + 2 + 2);
  for (const r of shapes[0]!) assert.doesNotMatch(r, /example/);
  const steps = told.flatMap((p) => ("step" in p ? [p.step] : []));
  assert.deepEqual([...new Set(steps)], ["statement", "sealing", "evaluating", "proving", "fetching", "comparing"]);
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
  ["server", "an unknown member", (w) => (w.lie = change("/evaluate", (j) => (j.more = 1)))],
  ["server", "no JSON", (w) => (w.lie = (p, r) => (p.endsWith("/evaluate") ? new Response("{") : r))],
  ["server", "a reply without an end", (w) => (w.lie = (p, r) => (p.endsWith("/evaluate") ? new Response(" ".repeat(1 << 17)) : r))],
  ["expired", "a stale statement", (w) => (w.now = Date.parse("2026-11-24T00:00:00Z"))],
  ["not-yet", "a statement from the future", (w) => (w.now = Date.parse("2026-11-21T23:49:00Z"))],
  ["statement", "a statement that contradicts itself", (w) => (w.statement = { ...w.statement, phoneRegion: "jp" })],
  ["inclusion", "a statement that is not in the ledger", (w) => (w.lie = change("/statement", (j) => (j.statement = j.statement.replace(/.$/, "A"))))],
  ["checkpoint", "another ledger", (w) => (w.lie = change("/statement", (j) => (j.proof = j.proof.replaceAll("ledger.example.org", "ledger.example.net"))))],
  ["checkpoint", "a wrong signature", (w) => (w.lie = change("/statement", (j) => (j.proof = j.proof.replace("\n5\n", "\n6\n"))))],
  ["inclusion", "no proof", (w) => (w.lie = change("/statement", (j) => (j.proof = "")))],
  ["bucket", "a swapped bucket", (w) => {
    for (const l of w.layers.values()) {
      const [first, ...rest] = [...l.responses];
      if (rest.length > 0) for (const [name] of l.responses) l.responses.set(name, name === first![0] ? rest[0]![1] : first![1]);
    }
  }],
  ["bucket", "a bucket of another length", (w) => (w.lie = async (p, r) => (p.includes("/buckets/") ? new Response((await r.arrayBuffer()).slice(1)) : r))],
  ["server", "a bucket longer than its pad", (w) => (w.lie = async (p, r) => (p.includes("/buckets/") ? new Response(new Uint8Array(1 << 20)) : r))],
  ["bucket", "a bit flipped in a bucket", (w) => (w.lie = async (p, r) => {
    if (!p.includes("/buckets/")) return r;
    const b = new Uint8Array(await r.arrayBuffer());
    b[20]! ^= 1;
    return new Response(b);
  })],
  ["network", "an error", (w) => (w.lie = (p, r) => (p.endsWith("/evaluate") ? new Response("", { status: 503 }) : r))],
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
    w.lie = (path, reply) => (path.includes("/buckets/") ? new Response("", { status }) : reply);
    const { answer } = await ask(client(w), "user1@example.com");
    assert.equal(answer.verdict.result, "investigating");
    assert.equal(display(answer), "unchecked");
    assert.deepEqual(answer.verdict.checked, []);
    assert.equal(answer.verdict.notCovered.filter((n) => n.why === "layer-missing").length, 3);
    const again = verifyAnswer(parseAnswer(utf8(encodeAnswer(answer))), [parseLedgerKey(w.vkey)]);
    assert.equal(again.answer.verdict.result, "investigating");
  }
  const part = new World();
  const first = part.layers.keys().next().value!;
  const withheld = (part.statement.layers as any[]).find((l) => l.sources.some((s: any) => s.root === first || l.root === first)).root;
  part.lie = (path, reply) => (path.includes(withheld) ? new Response("", { status: 404 }) : reply);
  const { answer } = await ask(client(part), "nobody@example.com");
  assert.equal(answer.verdict.result, "not-in-scope");
  assert.equal(display(answer), "incomplete");
  const w = new World();
  w.lie = (path, reply) => (path.includes("/buckets/") ? new Response("", { status: 403 }) : reply);
  await failsWith("network", ask(client(w), "user1@example.com"));
});

test("layers that were replaced since the statement was fetched ahead", async () => {
  const w = new World();
  const c = client(w);
  await c.prefetch();
  w.now += 1000;
  let statements = 0;
  w.lie = (path, reply) => {
    if (path.endsWith("/statement")) statements++;
    return path.includes("/buckets/") && statements === 0 ? new Response("", { status: 404 }) : reply;
  };
  const { answer } = await ask(c, "user1@example.com");
  assert.equal(answer.verdict.result, "affected");
  assert.equal(statements, 1);
});

test("a served layer that is not the fold of its sources is found by the audit", async () => {
  const w = new World();
  const source = ((w.statement.layers as any[]).find((l) => l.sources.length === 2)).sources[0].root;
  w.layers.delete(source);
  assert.equal((await ask(client(w), "user1@example.com")).answer.verdict.result, "affected");
  await failsWith("audit", ask(client(w), "user1@example.com", { audit: true }));
});

test("pins: rollback, forks and another ledger", async () => {
  const w = new World();
  const c = client(w);
  const publish = (seq: number, prev: string) => Object.assign(w, { seq, prev });
  const next = () => {
    w.now += 6 * 60_000;
    return c.statement(options());
  };
  publish(5, "5".repeat(64));
  await next();
  const fifth = toHex(sha256(w.bytes()));
  await next();
  publish(4, "4".repeat(64));
  await failsWith("rollback", next());
  publish(5, "6".repeat(64));
  await failsWith("fork", next());
  publish(6, "6".repeat(64));
  await failsWith("fork", next());
  publish(6, fifth);
  await next();
  publish(9, "9".repeat(64));
  await next();
  const kept = parsePins(encodePins(c.pins));
  assert.deepEqual(kept, c.pins);
  assert.equal(kept.ledgers.get(w.origin)!.seq, 9);

  const other = new World();
  Object.assign(other, { origin: "other.example.org" });
  const moved = client(other);
  moved.pins = parsePins(encodePins(kept));
  await failsWith("ledger-changed", moved.statement(options()));
  const local = client(other, "http://127.0.0.1:8080/");
  local.pins = parsePins(encodePins(kept));
  await local.statement(options());
  assert.equal(local.pins.current, "other.example.org");
});

test("a successor's key is trusted beside the pinned one", async () => {
  const w = new World();
  const c = client(w);
  await c.statement(options());
  const successor = new World();
  Object.assign(successor, { seq: 2, prev: toHex(sha256(w.bytes())) });
  const later = client(successor);
  later.pins = parsePins(encodePins(c.pins));
  await later.statement(options());
  assert.deepEqual(later.pins.ledgers.get(w.origin)!.keys.map((k) => k.vkey), [w.vkey, successor.vkey]);
});

test("what is stored and is not ours counts as nothing", () => {
  for (const bad of [null, "", "{", "[]", '{"v":2}', '{"v":1,"current":"a","ledgers":{"a":{"keys":[{"vkey":"x","since":"2026-11-22T00:00:00Z"}],"seq":1,"statement":""}}}']) {
    assert.deepEqual(parsePins(bad), { current: "", ledgers: new Map() });
  }
});

test("stopping stops", async () => {
  const w = new World();
  const stop = new AbortController();
  w.lie = (path, reply) => {
    if (path.endsWith("/evaluate")) stop.abort();
    return reply;
  };
  await failsWith("network", ask(client(w), "user1@example.com", { signal: stop.signal }));
  assert.deepEqual(w.requests.filter((r) => r.includes("/buckets/")), []);
});
