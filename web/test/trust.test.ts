import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { toBase64url, toHex, utf8 } from "../src/encoding.ts";
import { Failure } from "../src/failure.ts";
import { type Options, Server } from "../src/fetching.ts";
import { encodePins, parsePins } from "../src/pins.ts";
import { type Known, Ledger, vkeyHash } from "../src/trust.ts";
import { carrying, Log, Signer } from "./log.ts";
import { World } from "./world.ts";

const ORIGIN = "shirase.example.org/ledger";
const options: Options = { tell: () => {}, signal: new AbortController().signal, audit: false };

/** A reader of one server, whose browser remembers as a browser does. */
class Reader {
  private stored: string | null = null;
  slept = 0;

  /** What happens in another tab while this one is about to keep what it has met. */
  meanwhile: (() => Promise<void>) | undefined;

  constructor(readonly world: World, private readonly base = "https://shirase.example.org/", private readonly pageKeys = () => [world.vkey]) {}

  async visit(): Promise<Known> {
    const { world } = this;
    const keep = async (before: string | null, after: string) => {
      const { meanwhile } = this;
      this.meanwhile = undefined;
      await meanwhile?.();
      if (this.stored !== before) return { now: this.stored };
      this.stored = after;
      return undefined;
    };
    const around = { base: this.base, pageKeys: this.pageKeys(), fetch: world.fetch as typeof fetch, now: () => world.now, sleep: async () => void this.slept++, keep };
    return new Ledger(new Server(around), around, parsePins(this.stored, new URL(this.base).host)).statement(options);
  }

  pin(origin = ORIGIN) {
    return parsePins(this.stored).ledgers.get(origin);
  }

  /** Goes on in another tab, which is shown another ledger. */
  async elsewhere(world: World): Promise<void> {
    const other = new Reader(world, this.base);
    other.stored = this.stored;
    await other.wants("");
    this.stored = other.stored;
  }

  remember(stored: string): void {
    this.stored = stored;
  }

  async wants(code: string, what?: string, rule?: string): Promise<void> {
    const got = await this.visit().then(() => [""], (e) => (e instanceof Failure ? [e.code, e.reason] : [e]));
    assert.equal(got[0], code, what);
    if (rule) assert.equal(got[1], rule, what);
  }
}

const more = (w: World, n: number) => {
  for (let i = 0; i < n; i++) w.log.add(utf8(`more ${i}`));
};

/** What happens between two visits, and what the second one ends with. */
const histories: [string, string, (w: World) => void][] = [
  ["goes on", "", (w) => w.publish()],
  ["goes on for 400 entries", "", (w) => { more(w, 400); w.publish(); }],
  ["goes on, and partial tiles are pruned", "", (w) => { more(w, 300); w.log.pruned = true; w.publish(); }],
  ["the same again", "", () => {}],
  ["a fork that skips a number", "fork", (w) => { w.log.leaves.length = 3; more(w, 5); w.publish((s) => Object.assign(s, { seq: 3, prev: "1".repeat(64) })); }],
  ["a fork of the same size", "fork", (w) => { w.log.leaves.length = 3; w.publish((s) => Object.assign(s, { seq: 3, prev: "1".repeat(64) })); }],
  ["a ledger that shrank", "rollback", (w) => { w.log.leaves.length = 0; w.publish((s) => Object.assign(s, { seq: 9, prev: "1".repeat(64) })); }],
  ["another statement of the number", "fork", (w) => w.publish((s) => Object.assign(s, { seq: 1, prev: "0".repeat(64), phoneRegion: "KR" }))],
  ["another statement before", "fork", (w) => w.publish((s) => (s.prev = "1".repeat(64)))],
  ["a rule of the chain", "chain", (w) => w.publish((s) => (s.phoneRegion = "KR"))],
  ["a rule of the chain over a gap", "chain", (w) => w.publish((s) => Object.assign(s, { seq: 400, prev: "1".repeat(64), phoneRegion: "KR" }))],
  ["tiles of another tree", "consistency", (w) => { more(w, 3); w.publish(); w.lie = (p, r) => (p.startsWith("/tile/") ? new Response(new Uint8Array(9 * 32)) : r); }],
  ["tiles that are not there", "consistency", (w) => { w.publish(); w.lie = (p, r) => (p.startsWith("/tile/") ? new Response("", { status: 404 }) : r); }],
  ["tiles that cannot be given", "server", (w) => { w.publish(); w.lie = (p, r) => (p.startsWith("/tile/") ? new Response("", { status: 500 }) : r); }],
];

for (const [what, code, then] of histories) {
  test(`one history: ${what}${code && ` is ${code}`}`, async () => {
    const r = new Reader(new World());
    await r.wants("");
    const before = r.pin()!.checkpoint;
    then(r.world);
    await r.wants(code);
    const [now] = r.world.proof.split("\n\n").slice(1, 2);
    // Two statements of one number stand in one tree: its checkpoints contradict nothing.
    assert.deepEqual(r.pin()!.forks, code === "fork" && !what.startsWith("another statement") ? [[before, `${now}\n\n${r.world.proof.split("\n\n")[2]}`]] : []);
    if (code !== "") assert.equal(r.pin()!.checkpoint, before, "what was refused is not pinned");
  });
}

test("an older statement is a rollback, and asked for once more", async () => {
  const r = new Reader(new World());
  const { bytes, proof } = r.world;
  r.world.publish();
  await r.wants("");
  r.world.lie = (path, reply) => (path.endsWith("/statement") ? Response.json({ statement: toBase64url(bytes), proof }) : reply);
  await r.wants("rollback");
  assert.equal(r.slept, 1);
  let n = 0;
  r.world.lie = (path, reply) => (path.endsWith("/statement") && n++ === 0 ? Response.json({ statement: toBase64url(bytes), proof }) : reply);
  await r.wants("");
  assert.equal(r.slept, 2);
});

test("what cannot all be true is evidence, in the form that others verify", async () => {
  const visit = async (change: (w: World) => void) => {
    const r = new Reader(new World());
    await r.wants("");
    const before = r.pin()!.checkpoint;
    change(r.world);
    const evidence = await r.visit().then(() => undefined, (e) => e.evidence);
    return { r, before, evidence: evidence && JSON.parse(evidence) };
  };
  const { r, before, evidence } = await visit((w) => w.publish((s) => (s.phoneRegion = "KR")));
  const shown = r.world.proof.slice(r.world.proof.indexOf("\n\n") + 2);
  assert.deepEqual(Object.keys(evidence), ["v", "type", "rule", "what", "found", "server", "checkpoints", "consistency", "entries", "buckets"]);
  assert.deepEqual([evidence.v, evidence.type, evidence.rule, evidence.server], [1, "shirase evidence", "region", "https://shirase.example.org/"]);
  assert.deepEqual([evidence.checkpoints, evidence.consistency, evidence.buckets], [[before, shown], [], []]);
  assert.deepEqual(evidence.entries, [{ kind: "statement", sha256: toHex(sha256(r.world.bytes)), bytes: toBase64url(r.world.bytes), proof: r.world.proof }]);
  const fork = (await visit((w) => { w.log.leaves.length = 3; more(w, 5); w.publish((s) => Object.assign(s, { seq: 3, prev: "1".repeat(64) })); })).evidence;
  assert.deepEqual([fork.rule, fork.checkpoints.length, fork.consistency.length > 0], ["fork", 2, true]);
  assert.equal((await visit((w) => (w.lie = () => new Response("", { status: 500 })))).evidence, undefined);
});

test("requests of a returning visitor tell no size but the ledger's own", async () => {
  const r = new Reader(new World());
  more(r.world, 700);
  r.world.publish();
  await r.wants("");
  const before = r.world.log.leaves.length;
  more(r.world, 400);
  r.world.publish();
  r.world.requests.length = 0;
  await r.wants("");
  assert.deepEqual(r.world.requests.sort(), ["GET /check/v1/statement", "GET /tile/0/002", `GET /tile/0/004.p/${r.world.log.leaves.length % 256}`, "GET /tile/1/000.p/4"]);
  assert.ok(before < r.world.log.leaves.length);
});

test("first use: a ledger is its host's, or carries its key's hash", async () => {
  for (const [what, origin, host, code] of [
    ["loopback", "anything", "127.0.0.1", ""],
    ["its host", "notice.example.org", "notice.example.org", ""],
    ["a path of its host", "notice.example.org/check", "notice.example.org", ""],
    ["its host and port", "notice.example.org:8443/check", "notice.example.org:8443", ""],
    ["its host, at a port", "notice.example.org", "notice.example.org:8443", ""],
    ["another host", "notice.example.org", "thief.example.net", "origin"],
    ["a host that begins so", "notice.example.org.thief.example.net", "notice.example.org", "origin"],
    ["a part of the host", "example.org", "notice.example.org", "origin"],
    ["its key's hash", carrying("first"), "anywhere.example.net", ""],
    ["another key's hash", carrying("another"), "anywhere.example.net", "origin"],
    ["a shorter hash", carrying("first").slice(0, -8), "anywhere.example.net", "origin"],
    ["no slash before", carrying("first").replace("/", ""), "anywhere.example.net", "origin"],
  ] as const) {
    const r = new Reader(new World({ origin }), `https://${host}/`);
    await r.wants(code, what);
    assert.equal(r.pin(origin)?.host, code === "" ? host : undefined, what);
  }
  // An origin that carries the hash of its first key is its successors' too.
  const origin = carrying("first");
  const w = new World({ origin });
  w.succeed();
  await new Reader(w, "https://anywhere.example.net/").wants("");
  const thief = new World({ origin });
  thief.signers = [new Signer(origin, "thief")];
  thief.publish();
  await new Reader(thief, "https://anywhere.example.net/").wants("origin");
});

test("a server that was met keeps its ledger; one on this machine may be made anew", async () => {
  for (const [base, code] of [["https://shirase.example.org/", "ledger-changed"], ["http://127.0.0.1:8080/", ""]] as const) {
    const first = new Reader(new World(), base);
    await first.wants("");
    const other = new Reader(new World({ origin: "shirase.example.org/other" }), base);
    other.remember(encodePins({ current: ORIGIN, ledgers: new Map([[ORIGIN, first.pin()!]]) }));
    await other.wants(code, base);
  }
});

test("a key that the page announces counts for nothing where one is pinned", async () => {
  const r = new Reader(new World());
  await r.wants("");
  r.world.signers = [new Signer(ORIGIN, "thief")];
  r.world.publish();
  await r.wants("checkpoint"); // there is no list
  r.world.keyList = [{ vkey: r.world.vkey }];
  await r.wants("checkpoint");
  assert.equal(r.pin()!.keys.length, 1);
});

/** What happens to the ledger's keys between two visits. */
const successions: [string, string, (r: Reader) => void | Promise<void>][] = [
  ["one key", "", ({ world }) => world.succeed()],
  ["three keys", "", ({ world }) => thrice(world)],
  ["a key that was not named", "checkpoint", ({ world }) => world.succeed("thief")],
  ["a key named by a statement that no pinned one led to", "chain", ({ world }) => {
    world.publish((s) => (s.ledger.next = vkeyHash(new Signer(ORIGIN, "thief").vkey)));
    world.succeed("thief");
  }],
  ["no list", "checkpoint", ({ world }) => { world.succeed(); world.keyList = undefined; }],
  ["a list without the pinned key", "checkpoint", ({ world }) => { thrice(world); world.keyList!.shift(); }],
  ["a list without a step", "checkpoint", ({ world }) => { thrice(world); world.keyList!.splice(1, 1); }],
  ["a list without the last", "checkpoint", ({ world }) => { world.succeed(); world.keyList!.pop(); }],
  ["a step without its proof", "checkpoint", ({ world }) => { world.succeed(); (world.keyList![0] as any).proof = ""; }],
  ["a list that is none", "checkpoint", ({ world }) => { world.succeed(); world.keyList = ["x"]; }],
  ["a step under another tree", "fork", ({ world }) => {
    const side = new World();
    side.log.leaves.length = 0;
    side.publish((s) => (s.seq = 2));
    world.publish();
    world.succeed();
    const index = side.log.leaves.length - 2;
    world.log.leaves.slice(0, 1).forEach(() => side.log.leaves.unshift(new Uint8Array(32)));
    (world.keyList![0] as any).proof = side.log.proof(index + 1, side.log.checkpoint(ORIGIN, [new Signer(ORIGIN, "first")]));
    (world.keyList![0] as any).statement = toBase64url(side.bytes);
  }],
  ["the old key signs on", "chain", async (r) => {
    r.world.succeed();
    await r.wants("");
    r.world.signers = [new Signer(ORIGIN, "first")];
    r.world.publish((s) => (s.ledger.next = vkeyHash(new Signer(ORIGIN, "second").vkey)));
  }],
  ["a checkpoint of another key than the statement's", "checkpoint", async (r) => {
    r.world.succeed();
    await r.wants("");
    const index = r.world.log.leaves.length - 2;
    r.world.proof = r.world.log.proof(index, r.world.log.checkpoint(ORIGIN, [new Signer(ORIGIN, "first")]));
  }],
];

function thrice(w: World): void {
  w.succeed("second", "third");
  w.publish();
  w.succeed("third", "fourth");
  more(w, 300);
  w.publish();
  w.succeed("fourth", "fifth");
  w.publish();
}

for (const [what, code, then] of successions) {
  test(`succession: ${what}${code && ` is ${code}`}`, async () => {
    const r = new Reader(new World());
    await r.wants("");
    await then(r);
    await r.wants(code);
    if (code !== "") return;
    assert.deepEqual(r.pin()!.keys.map((k) => k.vkey), r.world.keyList!.map((k: any) => k.vkey));
    await r.wants(""); // and from then on without the list
    r.world.keyList = undefined;
    r.world.publish();
    await r.wants("");
    assert.equal((await r.visit()).vouched.since, "2026-11-22T00:10:00Z");
  });
}

const witness = (name: string) => new Signer(`witness.example.org/${name}`, name, 4);

/** A policy of witnesses of which a number has to cosign. */
const policyOf = (least: number | string, ...names: string[]) =>
  `${names.map((n) => `witness ${n} ${witness(n).vkey}\n`).join("")}group g ${least} ${names.join(" ")}\nquorum g\n`;

/** Has the ledger's statement want witnesses from now on, and these cosign. */
function witnessed(w: World, policy: string, ...names: string[]): void {
  w.signers = [w.signers[0]!, ...names.map(witness)];
  w.publish((s) => (s.ledger.policy = policy));
}

test("witnesses: the first policy is pinned, a stronger one takes its place, a weaker is refused", async () => {
  const two = policyOf(2, "a", "b", "c");
  const r = new Reader(new World());
  witnessed(r.world, two, "a");
  await r.wants("unwitnessed", "one of two, at the first visit");
  assert.equal(r.pin(), undefined);
  witnessed(r.world, two, "a", "c");
  const first = await r.visit();
  assert.deepEqual(first.vouched.witnesses, ["witness.example.org/a", "witness.example.org/c"]);
  assert.deepEqual([first.vouched.origin, first.vouched.host, first.vouched.key], [ORIGIN, "shirase.example.org", new Signer(ORIGIN, "first").vkey.split("+")[1]]);
  assert.equal(r.pin()!.policy, two);
  witnessed(r.world, two, "b");
  await r.wants("unwitnessed", "one of two");
  witnessed(r.world, policyOf(1, "a", "b", "c"), "a", "b");
  await r.wants("policy-weaker");
  witnessed(r.world, "", "a", "b");
  await r.wants("policy-weaker", "none");
  witnessed(r.world, policyOf(2, "d", "e"), "d", "e");
  await r.wants("unwitnessed", "others than the pinned ones");
  witnessed(r.world, policyOf(2, "d", "e"), "d", "e", "a", "b");
  assert.deepEqual((await r.visit()).vouched.witnesses.length, 4);
  assert.equal(r.pin()!.policy, policyOf(2, "d", "e"));
  witnessed(r.world, policyOf(2, "d", "e"), "d", "e");
  await r.wants("");
});

test("other witnesses than before are told of, for good", async () => {
  const r = new Reader(new World());
  const one = policyOf(1, "a");
  const changed = async () => (await r.visit()).vouched.witnessesChanged;
  assert.equal(await changed(), "");
  witnessed(r.world, one, "a", "b");
  assert.equal(await changed(), "", "the first are no others");
  witnessed(r.world, `# words\n${one.replace(/(witness [^\n]*)/, "$1 https://a.example/")}`, "a", "b");
  assert.equal(await changed(), "", "an address is no other witness");
  witnessed(r.world, policyOf(1, "b"), "a", "b");
  assert.equal(await changed(), r.world.statement.time);
  witnessed(r.world, policyOf(1, "b"), "b");
  r.world.publish((s) => (s.time = "2026-11-22T00:05:00Z"));
  assert.equal(await changed(), "2026-11-22T00:00:00Z");
});

test("two tabs at once: what one has met is held to what the other has kept", async () => {
  /** The same ledger as it is now, to go on otherwise. */
  const beside = (w: World): World => {
    const copy = Object.assign(Object.create(Object.getPrototypeOf(w)) as World, w, { statement: structuredClone(w.statement), log: new Log() });
    for (const leaf of w.log.leaves) copy.log.leaves.push(leaf);
    (copy as { fetch: unknown }).fetch = World.prototype.serveTo.bind(copy);
    return copy;
  };
  for (const met of [true, false]) {
    for (const [what, code, mine, other] of [
      ["the same", "", (w) => w.publish(), (w) => w.publish()],
      ["this tab sees more", "", (w) => { w.publish(); w.publish(); }, (w) => w.publish()],
      ["this tab sees less", "rollback", (w) => w.publish(), (w) => { w.publish(); w.publish(); }],
      ["a fork, the larger", "fork", (w) => { w.publish(); w.publish(); }, (w) => w.publish((s) => (s.time = "2026-11-22T00:00:01Z"))],
      ["a fork of the size", "fork", (w) => w.publish(), (w) => w.publish((s) => (s.time = "2026-11-22T00:00:01Z"))],
    ] as [string, string, (w: World) => void, (w: World) => void][]) {
      const first = new World();
      const r = new Reader(first);
      if (met) await r.wants("");
      const elsewhere = beside(first);
      mine(r.world);
      other(elsewhere);
      r.meanwhile = () => r.elsewhere(elsewhere);
      await r.wants(code, `${what}, met ${met}`);
      assert.equal(r.meanwhile, undefined);
      const pin = r.pin()!;
      assert.equal(pin.bindings!.seq, Math.max(elsewhere.statement.seq as number, code === "" ? (r.world.statement.seq as number) : 0), `${what}, met ${met}`);
      assert.equal(pin.forks.length, code === "fork" ? 1 : 0, `${what}, met ${met}`);
    }
  }
});

test("a clock behind what was seen", async () => {
  const r = new Reader(new World());
  r.world.now += 5 * 3_600_000;
  await r.wants("");
  r.world.publish((s) => Object.assign(s, { time: "2026-11-22T05:00:00Z", expires: "2026-11-22T11:00:00Z" }));
  await r.wants("");
  r.world.now -= 5 * 3_600_000;
  await r.wants("clock");
});

test("pins of version 1 are read, bind as much as they know, and are written as version 2", async () => {
  const w = new World({ v: 1 });
  const first = new Reader(w);
  await first.wants("");
  const { seq, statement } = first.pin()!.bindings!;
  const { vkey } = w;
  const old = (seq: number, statement: string) =>
    JSON.stringify({ v: 1, current: ORIGIN, ledgers: { [ORIGIN]: { keys: [{ vkey, since: "2026-01-02T03:04:05Z" }], seq, statement } } });
  const again = async (stored: string, code: string) => {
    const r = new Reader(w);
    r.remember(stored);
    await r.wants(code);
    return r;
  };
  await again(old(seq, statement), "");
  await again(old(seq, "1".repeat(64)), "fork");
  await again(old(seq + 1, statement), "rollback");
  w.statement.v = 2; // the same server, after it was renewed
  for (const i of w.statement.incidents as any[]) Object.assign(i, { unreadable: {}, superseded: [] });
  for (const k of w.statement.keys as any[]) k.state = "live";
  w.publish();
  await again(old(seq, "1".repeat(64)), "fork");
  const r = await again(old(seq, statement), "");
  const pin = r.pin()!;
  assert.deepEqual([pin.keys, pin.host, pin.bindings!.v], [[{ vkey: w.vkey, since: "2026-01-02T03:04:05Z" }], "shirase.example.org", 2]);
  assert.equal((await r.visit()).vouched.since, "2026-01-02T03:04:05Z");
  w.succeed();
  await r.wants("");
  const returned = await again(old(seq, statement), ""); // after upgrade and succession
  assert.equal(returned.pin()!.keys.length, 2);
});

test("what is stored and is not ours counts as nothing", async () => {
  const r = new Reader(new World());
  await r.wants("");
  const good = encodePins({ current: ORIGIN, ledgers: new Map([[ORIGIN, r.pin()!]]) });
  assert.equal(parsePins(good).current, ORIGIN);
  for (const bad of [null, "", "{", "[]", '{"v":3,"current":"","ledgers":{}}', '{"v":1,"current":"a","ledgers":{"a":{"keys":[{"vkey":"x","since":"2026-11-22T00:00:00Z"}],"seq":1,"statement":""}}}',
    good.replace('"v":2', '"v":1'), good.replace('"policy":""', '"policy":"quorum w"'), good.replace(/"checkpoint":"[^"]*"/, '"checkpoint":"x"'), good.replace('"bindings":{', '"bindings":{"x":1,'), good.replace('"forks":[]', '"forks":[1]'),
    good.replace('"bindings":{"v":2', '"bindings":{"v":1'), good.replace('"bindings":{"v":2', '"bindings":{"v":3'), good.replace(/"ledger":\{[^}]*\},/, ""),
    good.replace('"checkpoint":"shirase', '"checkpoint":"another'), good.replace('"forks":', '"witnessesChanged":1,"forks":')]) {
    assert.notEqual(bad, good);
    assert.deepEqual(parsePins(bad), { current: "", ledgers: new Map(), stored: bad }, String(bad));
  }
});
