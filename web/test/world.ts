// A small index with everything a server has: evaluator keys, layers, a ledger
// with its tiles. The tests ask it as a page would, and make it lie.

import { ristretto255_oprf } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bucketBits, bucketName, bucketSize } from "../src/bucket.ts";
import { type Bytes, concat, fromBase64url, toBase64url, toHex, utf8 } from "../src/encoding.ts";
import { bucketOf, ENTRY_SIZE, sealEntry } from "../src/entry.ts";
import { input, parseEmail } from "../src/identity.ts";
import { canonical, type JSONValue } from "../src/json.ts";
import { leaf } from "../src/tlogproof.ts";
import { vkeyHash } from "../src/trust.ts";
import { Log, Signer } from "./log.ts";

/** RFC 9497 section 3.3.2; the library's types leave Evaluate out. */
const voprf = ristretto255_oprf.voprf as typeof ristretto255_oprf.voprf & { evaluate(secretKey: Uint8Array, input: Uint8Array): Bytes };

export type Statement = { [name: string]: JSONValue };

export class Layer {
  readonly bits: number;
  readonly pad: number;
  readonly root: string;
  readonly responses = new Map<string, Bytes>(); // by bucket name

  constructor(readonly entries: Bytes[], locatorBits: number) {
    const sorted = [...entries].sort((a, b) => Buffer.compare(a, b));
    this.bits = bucketBits(sorted.length, locatorBits);
    const buckets: Bytes[][] = Array.from({ length: 2 ** this.bits }, () => []);
    for (const e of sorted) buckets[bucketOf(e, this.bits)]!.push(e);
    this.pad = Math.ceil(bucketSize(Math.max(...buckets.map((b) => b.length)), this.bits) / 1024) * 1024;
    const levels = [buckets.map((b) => sha256(concat(Uint8Array.of(0), ...b)))];
    while (levels.at(-1)!.length > 1) {
      const below = levels.at(-1)!;
      levels.push(below.filter((_, i) => i % 2 === 0).map((l, i) => sha256(concat(Uint8Array.of(1), l, below[2 * i + 1]!))));
    }
    this.root = toHex(levels.at(-1)![0]!);
    buckets.forEach((bucket, number) => {
      const body = new Uint8Array(this.pad);
      new DataView(body.buffer).setUint32(0, bucket.length);
      const path = levels.slice(0, -1).map((level, height) => level[(number >> height) ^ 1]!);
      body.set(concat(...bucket, ...path), 4);
      this.responses.set(bucketName(number, this.bits), body);
    });
  }

  /** The response to a group of buckets. */
  group(depth: number, number: number): Bytes {
    const n = 2 ** (this.bits - depth);
    return concat(...Array.from({ length: n }, (_, i) => this.responses.get(bucketName(number * n + i, this.bits))!));
  }
}

/** A revision of an incident that is sealed: who is in it, and how many entries of nobody. */
interface Sealed {
  incident: string;
  revision?: string;
  members: string[];
  fill: number;
}

const SETS = [["email"], ["email", "password:hashed"]];
const OLD_SETS = [["email"], ["email", "nickname"]];

export class World {
  readonly keys = new Map(["k1", "k2"].map((id) => [id, voprf.generateKeyPair()]));
  readonly layers = new Map<string, Layer>(); // by root: sources and served ones
  readonly requests: string[] = [];
  now = Date.parse("2026-11-22T00:10:00Z");
  readonly log = new Log();
  signers: Signer[]; // the ledger's key, and witnesses
  keyList: JSONValue[] | undefined; // of GET /ledger/v1/keys
  readonly statement: Statement;
  bytes: Bytes = new Uint8Array();
  proof = "";
  /** Lies: what is done to a response before it is sent. */
  lie: (path: string, reply: Response) => Response | Promise<Response> = (_, reply) => reply;

  constructor({ origin = "shirase.example.org/ledger", fill = 10, v = 2 }: { origin?: string; fill?: number; v?: 1 | 2 } = {}) {
    this.signers = [new Signer(origin, "first")];
    for (let i = 0; i < 3; i++) this.log.add(utf8(`something else ${i}`));
    const both = "user1@example.com";
    this.statement = { v, seq: 0, prev: "0".repeat(64), time: "2026-11-22T00:00:00Z", expires: "2026-11-22T06:00:00Z", phoneRegion: "JP", ledger: {}, keys: [], layers: [], incidents: [] };
    for (const [id, state, revision] of [["open-2026", "investigating", "0"], ["mail-2025", "by-mail", "0"], ["phone-2022", "retired", "1"], ["slip-2019", "withdrawn", "0"]]) {
      if (v === 2 || state !== "withdrawn") this.incident({ id: id!, state: state!, revision: revision! });
    }
    const earlier = { incident: "a-2013", members: [both, "dropped@example.com"], fill: 1000 };
    const current = { incident: "a-2013", revision: v === 1 ? "1" : "2", members: [both], fill: 2000 };
    this.serve("k1", [...(v === 1 ? [] : [earlier]), current, { incident: "b-2020", members: [], fill: 500 }, { incident: "re-2021", members: ["again@example.com"], fill: 20 }]);
    this.serve("k2", [{ incident: "c-2024", members: [both, "user2@example.com"], fill }]);
    if (v === 2) this.find("incidents", "re-2021").state = "reopened";
    this.statement.keys = [...this.keys].map(([id, k]) => ({ id, locatorBits: 16, public: toBase64url(k.publicKey), ...(v === 2 && { state: "live" }) }));
    this.publish();
  }

  get vkey(): string {
    return this.signers[0]!.vkey;
  }

  /** Gives a member of a list of the statement by its id. */
  find(list: "keys" | "layers" | "incidents", id: string): any {
    return (this.statement[list] as any[]).find((each) => each.id === id || each.sources?.some((s: any) => s.incident === id));
  }

  private incident(of: { id: string; state: string; revision: string; counts?: JSONValue; sets?: JSONValue }): any {
    const i = {
      organisation: "例示株式会社", asOf: "2026-11-22T00:00:00Z", title: { ja: `事案 ${of.id}`, en: `Incident ${of.id}` }, counts: {}, sets: [],
      ...of, ...(this.statement.v === 2 && { unreadable: {}, superseded: [] }),
    };
    (this.statement.incidents as JSONValue[]).push(i);
    return i;
  }

  /** Seals revisions, the earlier of one incident first, and serves them as one layer. */
  serve(key: string, revisions: Sealed[]): void {
    const sources = revisions.map((r) => {
      const revision = r.revision ?? "1";
      const members = r.members.map((m) => sealEntry(voprf.evaluate(this.keys.get(key)!.secretKey, input(parseEmail(m))), 16, r.incident, revision, 1));
      const fill = Array.from({ length: r.fill }, (_, i) => {
        const e = sha256(utf8(`${r.incident} ${revision} ${i}`)).slice(0, ENTRY_SIZE);
        e[2] = 0;
        return e as Bytes;
      });
      const layer = new Layer([...members, ...fill], 16);
      this.layers.set(layer.root, layer);
      const counts = { email: layer.entries.length };
      const before = this.find("incidents", r.incident);
      if (before) {
        before.superseded.push({ revision: before.revision, counts: before.counts, sets: OLD_SETS });
        Object.assign(before, { revision, counts, sets: SETS });
      } else this.incident({ id: r.incident, state: "final", revision, counts, sets: SETS });
      return { layer, source: { incident: r.incident, revision, n: layer.entries.length, root: layer.root } };
    });
    this.place(key, sources.map((s) => s.source), sources.flatMap((s) => s.layer.entries));
  }

  /** Serves entries as one layer of sources. */
  place(key: string, sources: { incident: string; revision: string; n: number; root: string }[], entries: Bytes[]): void {
    const layer = new Layer(entries, 16);
    this.layers.set(layer.root, layer);
    (this.statement.layers as JSONValue[]).push({ id: layer.root, root: layer.root, key, n: entries.length, bits: layer.bits, pad: layer.pad, sources });
  }

  /** Publishes the statement, changed, as the next one. */
  publish(change: (s: any) => void = () => {}): void {
    const s = this.statement;
    Object.assign(s, { seq: (s.seq as number) + 1, prev: s.seq === 0 ? "0".repeat(64) : toHex(sha256(this.bytes)) });
    if (s.v === 1) delete s.ledger;
    else s.ledger = { next: vkeyHash(new Signer(this.signers[0]!.name, "second").vkey), policy: "", ...(s.ledger as object), key: vkeyHash(this.vkey) };
    change(s);
    for (const list of ["keys", "layers", "incidents"]) (s[list] as any[]).sort((a, b) => (a.id < b.id ? -1 : 1));
    this.log.add(leaf("statement", (this.bytes = utf8(canonical(s)))));
    this.prove();
  }

  /** Proves the newest statement against the newest checkpoint, after more entries. */
  prove(more = 1): void {
    const index = this.log.leaves.length - 1;
    for (let i = 0; i < more; i++) this.log.add(utf8("something after"));
    this.proof = this.log.proof(index, this.log.checkpoint(this.signers[0]!.name, this.signers));
  }

  /** Has the key that was to follow sign from now on, and lists the one before. */
  succeed(seed = "second", after = "third"): void {
    const list = (this.keyList ?? []).slice(0, -1);
    const { name } = this.signers[0]!;
    list.push({ vkey: this.vkey, statement: toBase64url(this.bytes), proof: this.proof });
    this.signers = [new Signer(name, seed), ...this.signers.slice(1)];
    this.keyList = [...list, { vkey: this.vkey }];
    this.publish((s) => (s.ledger = { ...s.ledger, key: vkeyHash(this.vkey), next: vkeyHash(new Signer(name, after).vkey) }));
  }

  readonly fetch = (target: URL | RequestInfo, init?: RequestInit): Promise<Response> => this.serveTo(target, init);

  async serveTo(target: URL | RequestInfo, init?: RequestInit): Promise<Response> {
    const path = new URL(String(target)).pathname;
    this.requests.push(`${init?.method ?? "GET"} ${path}`);
    if (init?.signal?.aborted) throw new Error("aborted");
    return this.lie(path, await this.reply(path, init));
  }

  private async reply(path: string, init?: RequestInit): Promise<Response> {
    if (path === "/check/v1/statement") return Response.json({ statement: toBase64url(this.bytes), proof: this.proof });
    if (path === "/ledger/v1/keys" && this.keyList) return Response.json({ keys: this.keyList });
    if (path === "/check/v1/evaluate") {
      const { key, blinded } = JSON.parse(String(init?.body));
      const pair = this.keys.get(key)!;
      const { evaluated, proof } = voprf.blindEvaluateBatch(pair.secretKey, pair.publicKey, blinded.map((b: string) => fromBase64url(b)));
      return Response.json({ evaluated: evaluated.map(toBase64url), proof: toBase64url(proof) });
    }
    const [, root, name] = /^\/check\/v1\/layers\/([0-9a-f]{64})\/buckets\/([0-9a-f]+)$/.exec(path) ?? [];
    const [, of, p, number] = /^\/check\/v1\/layers\/([0-9a-f]{64})\/groups\/(\d+)\/([0-9a-f]+)$/.exec(path) ?? [];
    const body = this.layers.get(root!)?.responses.get(name!) ?? this.layers.get(of!)?.group(Number(p), parseInt(number!, 16)) ?? this.log.tile(path.slice(1));
    return body ? new Response(body) : new Response("", { status: 404 });
  }
}
