// A fold holds the entries of several source layers. That it does is compared
// with sources drawn at random in every check, and with all of them on demand.

import { bucketBits } from "./bucket.ts";
import { compare, concat, equal } from "./encoding.ts";
import { ENTRY_SIZE } from "./entry.ts";
import { Failure } from "./failure.ts";
import { entriesLike, type Group } from "./group.ts";
import type { Layer, Source, Statement } from "./statement.ts";

const SAMPLE = 3; // sources of a fold that are compared in every check

/** Gives the sources that are to be compared: all of them, or some drawn at random. A layer of one source is that source. */
export function drawn(l: Layer, all: boolean): Source[] {
  if (l.sources.length === 1) return [];
  const rest = [...l.sources];
  if (all) return rest;
  return Array.from({ length: Math.min(SAMPLE, rest.length) }, () => rest.splice(random(rest.length), 1)[0]!);
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

/** Requires that each of the source's entries that belong into the fold's group is there. */
export function compareSource(source: Group, fold: Group, output: Uint8Array): void {
  const there = entriesLike(fold, output, fold.depth);
  let at = 0; // both ascend
  for (const entry of entriesLike(source, output, fold.depth)) {
    while (at < there.length && compare(there[at]!, entry, ENTRY_SIZE) < 0) at++;
    if (at === there.length || !equal(there[at]!, entry)) throw new Failure("audit", "an entry of a source is not in the layer");
  }
}

/** Requires that the fold's group holds what its sources' hold, and nothing else. */
export function compareAll(sources: Group[], fold: Group, output: Uint8Array): void {
  const all = sources.flatMap((source) => entriesLike(source, output, fold.depth)).sort((a, b) => compare(a, b, ENTRY_SIZE));
  if (!equal(concat(...all), concat(...entriesLike(fold, output, fold.depth)))) throw new Failure("audit", "a layer is not the fold of its sources");
}
