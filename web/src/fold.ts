// A fold holds the entries of several source layers. That it does is compared
// with sources drawn at random in every check, and with all of them on demand.

import { bucketBits } from "./bucket.ts";
import { compare, equal } from "./encoding.ts";
import { ENTRY_SIZE } from "./entry.ts";
import { Failure } from "./failure.ts";
import { entriesLike, type Group } from "./group.ts";
import type { Layer, Source, Statement } from "./statement.ts";

const SAMPLE = 8; // sources of a fold that are compared in every check
export const LEAST_SAMPLE = 3; // that belong to a saved answer: there was a time when three were compared

/** Gives how many of a layer's sources are compared, of so many as are drawn: a layer with one is that source. */
export const sampleOf = (l: Layer, drawn: number): number => (l.sources.length === 1 ? 0 : Math.min(drawn, l.sources.length));

/** Gives the sources that are compared: some, whom the server cannot foresee, or all. */
export function drawn(l: Layer, all: boolean): Source[] {
  const n = sampleOf(l, SAMPLE);
  const rest = [...l.sources];
  if (all && n > 0) return rest;
  return Array.from({ length: n }, () => rest.splice(random(rest.length), 1)[0]!);
}

/** Gives a number below n, each with one probability. */
function random(n: number): number {
  const limit = 2 ** 32 - (2 ** 32 % n);
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1));
  return value < limit ? value % n : random(n);
}

/** Gives a source layer's bits, and how many of them are shown: no more than to the fold. */
export function sourceExtent(s: Statement, l: Layer, source: Source, depth: number): { bits: number; depth: number } {
  const bits = bucketBits(source.n, s.keys.find((k) => k.id === l.key)!.locatorBits);
  return { bits, depth: Math.min(bits, depth) };
}

/** Requires that a fold's group has the entries of its sources that were asked: all of them, and nothing else where every source was. */
export function holds(fold: Group, l: Layer, sources: Group[], output: Uint8Array): void {
  const there = entriesLike(fold, output, fold.depth);
  const all = sources.flatMap((source) => entriesLike(source, output, fold.depth)).sort((a, b) => compare(a, b, ENTRY_SIZE));
  let at = 0; // both ascend
  for (const entry of all) {
    while (at < there.length && compare(there[at]!, entry, ENTRY_SIZE) < 0) at++;
    if (at === there.length || !equal(there[at++]!, entry)) throw new Failure("audit", `layer ${l.id} lacks an entry of a source`);
  }
  if (sources.length === l.sources.length && all.length !== there.length) throw new Failure("audit", `layer ${l.id} has an entry of no source`);
}
