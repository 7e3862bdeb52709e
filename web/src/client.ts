// Asks a server, and believes nothing it says that is not proven. It mirrors
// check/client.go: the same requests, checks and names of failures.

import { type Answer, encodeVerdict, type Evaluation, type Part } from "./answer.ts";
import { bucketName, MAX_PAD, parseBucket } from "./bucket.ts";
import { type Bytes, fromBase64url, fromHash, toBase64url } from "./encoding.ts";
import { bucketOf } from "./entry.ts";
import { Failure, named } from "./failure.ts";
import { NO_PATH, type Options, Refusal, Server, type Surroundings, UNWATCHED } from "./fetching.ts";
import { drawn, holds, sourceExtent } from "./fold.ts";
import { CAP_BITS, depths, entriesFor, type Group, groupBytes, groupName, keptSize, MAX_GROUP, MAX_KEPT, parseGroup } from "./group.ts";
import { type Identity, input } from "./identity.ts";
import { canonical, list, members, text } from "./json.ts";
import type { Pins } from "./pins.ts";
import { type Hash, type Key, type Layer, milliseconds, type Statement } from "./statement.ts";
import { type Known, Ledger, toTime } from "./trust.ts";
import { conclude } from "./verdict.ts";
import { blind, finalize } from "./voprf.ts";

const MAX_REPLY = 64 << 10; // bytes of an evaluation
const FRESH = 5 * 60_000; // milliseconds that a statement fetched ahead is used
const AT_ONCE = 4; // layers fetched side by side

/** What was got of the layers. */
interface Got {
  groups: Map<Hash, Group>; // by layer; of one that the server cannot give there is none
  sources: Part[];
  kept: number; // bytes of all of it
}

/** All that was given of an answer, under one statement. */
interface Gathered {
  known: Known;
  shown: Map<Hash, number>; // bits of the output that were shown, by layer
  evaluations: (Evaluation & { output: Bytes })[];
  outputs: Map<string, Bytes>;
  got: Got;
}

/** Reports whether what another statement asks has left already: the bits are of the same keys' outputs, and no more of them. */
function covers({ known, shown }: Gathered, s: Statement): boolean {
  const name = (of: Statement, l: Layer) => toBase64url(of.keys.find((k) => k.id === l.key)!.public);
  const left = new Map<string, number>();
  for (const l of known.statement.layers) left.set(name(known.statement, l), Math.max(shown.get(l.id)!, left.get(name(known.statement, l)) ?? 0));
  try {
    const wanted = depths(s.layers);
    return s.layers.every((l) => wanted.get(l.id)! <= (left.get(name(s, l)) ?? 0));
  } catch {
    return false;
  }
}

export class Client {
  private readonly server: Server;
  private readonly ledger: Ledger;
  private known: Known | undefined;
  private ahead: Promise<unknown> | undefined;

  constructor(private readonly around: Surroundings, pins: Pins) {
    this.server = new Server(around);
    this.ledger = new Ledger(this.server, around, pins);
  }

  get pins(): Pins {
    return this.ledger.pins;
  }

  set pins(pins: Pins) {
    this.ledger.pins = pins;
  }

  /** Fetches a statement before it is asked for. If that fails, the check will tell. */
  async prefetch(): Promise<void> {
    this.ahead ??= this.fetchStatement(UNWATCHED).catch(() => {}).finally(() => (this.ahead = undefined));
    await this.ahead;
  }

  /** Gives a statement that is minutes old at most. */
  async statement(options: Options): Promise<Known> {
    await this.ahead;
    const now = this.around.now();
    const { known } = this;
    if (known && known.at <= now && now - known.at < FRESH && now < milliseconds(known.statement.expires)) return known;
    return this.fetchStatement(options);
  }

  private async fetchStatement(options: Options): Promise<Known> {
    return (this.known = await this.ledger.statement(options));
  }

  /**
   * Asks whether an identity is in the published index and gives the proven
   * answer. What is asked depends on what was given, and never on what was found:
   * the answer is drawn when nothing more is asked. A verification that fails is
   * a Failure, never a "no".
   */
  async check(id: Identity, options: Options): Promise<{ answer: Answer; known: Known }> {
    options.tell({ step: "statement" });
    const known = await this.statement(options);
    let gathered: Gathered;
    try {
      gathered = await this.gather(known, id, options);
    } catch (e) {
      if (!(e instanceof KeyGone)) throw e;
      // Another statement has come meanwhile, with other keys. Nothing has left yet.
      gathered = await this.gather(await this.fetchStatement(options), id, options);
      return { answer: this.conclude(gathered, id, options), known: gathered.known };
    }
    if (gathered.got.groups.size < known.statement.layers.length) gathered = await this.again(gathered, id, options);
    return { answer: this.conclude(gathered, id, options), known: gathered.known };
  }

  /** Asks once more where another statement has come, and it does not take more bits of any output than have left already. */
  private async again(gathered: Gathered, id: Identity, options: Options): Promise<Gathered> {
    const newest = await this.fetchStatement(options).catch((e) => {
      if (!options.signal.aborted && e instanceof Failure && ["network", "busy", "server"].includes(e.code)) return gathered.known; // what was given stands
      throw e;
    });
    const { seq } = gathered.known.statement;
    return newest.statement.seq === seq || !covers(gathered, newest.statement) ? gathered : this.gather(newest, id, options);
  }

  private async gather(known: Known, id: Identity, options: Options): Promise<Gathered> {
    const { statement: s } = known;
    const shown = depths(s.layers); // before anything leaves
    const keys = s.keys.filter((k) => s.layers.some((l) => l.key === k.id));
    const evaluations = await Promise.all(keys.map((key) => this.evaluate(key, id, options)));
    const outputs = new Map(evaluations.map((e) => [e.key, e.output]));
    options.tell({ step: "fetching" });
    return { known, shown, evaluations, outputs, got: await this.groups(s, shown, outputs, options) };
  }

  /** Draws the answer of what was given. */
  private conclude({ known, evaluations, outputs, got }: Gathered, id: Identity, options: Options): Answer {
    options.tell({ step: "comparing" });
    const { statement: s } = known;
    const { groups, sources } = got;
    const look = (id: Hash) => {
      const group = groups.get(id);
      return group && entriesFor(group, outputs.get(s.layers.find((l) => l.id === id)!.key)!);
    };
    const verdict = conclude(2, s, id.kind, outputs, look, new Set(sources.map((part) => part.layer)));
    return {
      v: 2,
      claimed: toTime(this.around.now()),
      identity: id,
      verdict,
      stated: canonical(encodeVerdict(2, verdict)),
      statement: known.bytes,
      proof: known.proof,
      evaluations: evaluations.map(({ output: _, ...evaluation }) => evaluation),
      groups: s.layers.flatMap((l) => {
        const group = groups.get(l.id);
        return group ? [{ layer: l.id, p: group.depth, bytes: groupBytes(group) }] : [];
      }),
      sources,
      cap: CAP_BITS,
    };
  }

  private async evaluate(key: Key, id: Identity, options: Options): Promise<Evaluation & { output: Bytes }> {
    options.tell({ step: "sealing" });
    const blinded = blind(input(id));
    options.tell({ step: "evaluating" });
    const request = JSON.stringify({ key: key.id, blinded: [toBase64url(blinded.element)] });
    const reply = await this.server.json("check/v1/evaluate", MAX_REPLY, options, request).catch((e) => {
      throw e instanceof Refusal && e.status === 404 ? new KeyGone("server", "a key that the statement names is not known") : e;
    });
    const { evaluated, proof } = named("server", () => {
      const m = members(reply, "evaluated", "proof");
      return { evaluated: list(m.evaluated, (v) => fromBase64url(text(v))), proof: fromBase64url(text(m.proof)) };
    });
    if (evaluated.length !== 1) throw new Failure("server", `${evaluated.length} elements for one`);
    options.tell({ step: "proving" });
    const output = finalize(key.public, [blinded], evaluated, proof)[0]!;
    return { key: key.id, blind: blinded.blind, evaluated: evaluated[0]!, proof, output };
  }

  /** Fetches a group of every layer, and of some sources of every fold. */
  private async groups(s: Statement, shown: Map<Hash, number>, outputs: Map<string, Bytes>, options: Options): Promise<Got> {
    const got: Got = { groups: new Map(), sources: [], kept: 0 };
    const left = [...s.layers];
    const work = async () => {
      for (let layer = left.shift(); layer; layer = left.shift()) {
        const output = outputs.get(layer.key)!;
        const group = await this.group(layer.root, output, shown.get(layer.id)!, layer.bits, layer.pad, options);
        if (group === undefined) continue;
        got.kept += keptSize(group);
        const sources = await this.sources(s, layer, group, output, got, options);
        if (sources === undefined) continue; // what cannot be compared is as good as not given
        got.groups.set(layer.id, group);
        got.sources.push(...sources);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return got;
  }

  private async group(root: Hash, output: Bytes, depth: number, bits: number, pad: number, options: Options): Promise<Group | undefined> {
    const number = bucketOf(output, depth);
    const name = depth === bits ? `buckets/${bucketName(number, bits)}` : groupName(depth, number);
    const limit = pad > 0 ? pad * 2 ** (bits - depth) : Math.min(MAX_GROUP, MAX_PAD * 2 ** (bits - depth));
    const body = await this.server.part(`check/v1/layers/${root}/${name}`, limit, options);
    if (body === NO_PATH) return depth < bits ? this.oneByOne(root, number, depth, bits, pad, options) : undefined;
    return body && parseGroup(body, number, depth, fromHash(root), bits, pad);
  }

  /** Fetches each bucket of a group, in their order whatever is sought, where a server of version 1 knows no groups. */
  private async oneByOne(root: Hash, number: number, depth: number, bits: number, pad: number, options: Options): Promise<Group | undefined> {
    const n = 2 ** (bits - depth);
    const group: Group = { depth, bits, buckets: [] };
    for (let i = number * n, rest = MAX_GROUP; i < (number + 1) * n; i++) {
      const body = await this.server.part(`check/v1/layers/${root}/buckets/${bucketName(i, bits)}`, Math.min(rest, pad || MAX_PAD), options);
      if (body === NO_PATH || body === undefined) return undefined;
      rest -= body.length;
      group.buckets.push(parseBucket(body, i, fromHash(root), bits, pad));
    }
    return group;
  }

  /**
   * Compares a fold with some of its sources, or all; undefined where one is not
   * given. It reveals nothing more: what is shown was shown already.
   */
  private async sources(s: Statement, layer: Layer, fold: Group, output: Bytes, got: Got, options: Options): Promise<Part[] | undefined> {
    const parts: Part[] = [];
    const groups: Group[] = [];
    const sources = drawn(layer, options.audit);
    const left = [...sources];
    const work = async () => {
      for (let source = left.shift(); source; source = left.shift()) {
        const { bits, depth } = sourceExtent(s, layer, source, fold.depth);
        const group = await this.group(source.root, output, depth, bits, 0, options);
        if (group === undefined && options.audit) throw new Failure("audit", `the source layer of ${source.incident} is not served`);
        if (group === undefined) continue; // the others are asked all the same
        got.kept += keptSize(group);
        if (got.kept > MAX_KEPT) throw new Failure("too-coarse", "more than an answer can hold");
        groups.push(group);
        parts.push({ layer: source.root, p: depth, bytes: groupBytes(group) });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (groups.length < sources.length) return undefined;
    holds(fold, layer, groups, output);
    return parts;
  }
}

/** A server does not know a key that its statement named. */
class KeyGone extends Failure {}
