// Asks a server, and believes nothing it says that is not proven. It mirrors
// check/client.go: the same requests, checks and names of failures.

import { type Answer, encodeVerdict, type Evaluation, type Part } from "./answer.ts";
import { bucketName, MAX_PAD } from "./bucket.ts";
import { type Bytes, fromBase64url, fromHash, toBase64url } from "./encoding.ts";
import { bucketOf } from "./entry.ts";
import { Failure, named } from "./failure.ts";
import { type Options, Refusal, Server, type Surroundings, UNWATCHED } from "./fetching.ts";
import { drawn, holds, sourceExtent } from "./fold.ts";
import { CAP_BITS, depths, entriesFor, type Group, groupBytes, groupName, MAX_GROUP, parseGroup } from "./group.ts";
import { type Identity, input } from "./identity.ts";
import { canonical, list, members, text } from "./json.ts";
import type { Pins } from "./pins.ts";
import { type Hash, type Key, type Layer, milliseconds, type Statement } from "./statement.ts";
import { type Known, Ledger, toTime } from "./trust.ts";
import { conclude, missing } from "./verdict.ts";
import { blind, finalize } from "./voprf.ts";

const MAX_REPLY = 64 << 10; // bytes of an evaluation
const FRESH = 5 * 60_000; // milliseconds that a statement fetched ahead is used
const AT_ONCE = 4; // layers fetched side by side

/** What was got of the layers. */
interface Got {
  groups: Map<Hash, Group>; // by layer; of one that the server cannot give there is none
  sources: Part[];
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
   * answer. No request made after the result is known depends on it, and a
   * verification that fails is a Failure, never a "no".
   */
  async check(id: Identity, options: Options): Promise<{ answer: Answer; known: Known }> {
    options.tell({ step: "statement" });
    const known = await this.statement(options);
    let checked: { answer: Answer; known: Known } | undefined;
    try {
      checked = await this.checkBy(known, id, options);
      if (!missing(checked.answer.verdict)) return checked;
    } catch (e) {
      if (!(e instanceof KeyGone)) throw e;
    }
    // Another statement may have come meanwhile, with other keys and layers.
    const newest = await this.fetchStatement(options);
    if (checked && newest.statement.seq === known.statement.seq) return checked;
    return this.checkBy(newest, id, options);
  }

  private async checkBy(known: Known, id: Identity, options: Options): Promise<{ answer: Answer; known: Known }> {
    const { statement: s } = known;
    const shown = depths(s.layers); // before anything leaves
    const keys = s.keys.filter((k) => s.layers.some((l) => l.key === k.id));
    const evaluations = await Promise.all(keys.map((key) => this.evaluate(key, id, options)));
    const outputs = new Map(evaluations.map((e) => [e.key, e.output]));
    options.tell({ step: "fetching" });
    const { groups, sources } = await this.groups(s, shown, outputs, options);
    options.tell({ step: "comparing" });
    const look = (id: Hash) => {
      const group = groups.get(id);
      return group && entriesFor(group, outputs.get(s.layers.find((l) => l.id === id)!.key)!);
    };
    const verdict = conclude(2, s, id.kind, outputs, look);
    const answer: Answer = {
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
    return { answer, known };
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
    const got: Got = { groups: new Map(), sources: [] };
    const left = [...s.layers];
    const work = async () => {
      for (let layer = left.shift(); layer; layer = left.shift()) {
        const output = outputs.get(layer.key)!;
        const group = await this.group(layer.root, output, shown.get(layer.id)!, layer.bits, layer.pad, options);
        const sources = group && (await this.sources(s, layer, group, output, options));
        if (sources === undefined) continue; // what cannot be compared is as good as not given
        got.groups.set(layer.id, group!);
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
    return body && parseGroup(body, number, depth, fromHash(root), bits, pad);
  }

  /**
   * Compares a fold with some of its sources, or all; undefined where one is not
   * given. It reveals nothing more: what is shown was shown already.
   */
  private async sources(s: Statement, layer: Layer, fold: Group, output: Bytes, options: Options): Promise<Part[] | undefined> {
    const parts: Part[] = [];
    const groups = await Promise.all(drawn(layer, options.audit).map(async (source) => {
      const { bits, depth } = sourceExtent(s, layer, source, fold.depth);
      const group = await this.group(source.root, output, depth, bits, 0, options);
      if (group) parts.push({ layer: source.root, p: depth, bytes: groupBytes(group) });
      else if (options.audit) throw new Failure("audit", `the source layer of ${source.incident} is not served`);
      return group;
    }));
    if (groups.includes(undefined)) return undefined;
    holds(fold, layer, groups as Group[], output);
    return parts;
  }
}

/** A server does not know a key that its statement named. */
class KeyGone extends Failure {}
