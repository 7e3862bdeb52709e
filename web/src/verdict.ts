// What was found: the verdict, drawn from what was verified.

import type { Bytes } from "./encoding.ts";
import { findEntry } from "./entry.ts";
import { Failure } from "./failure.ts";
import { type Exposed, type Hash, type Incident, type Kind, type Layer, sealed, type Statement, type Time } from "./statement.ts";
import { revisionName } from "./validate.ts";

/** There is no word for "you are safe". */
export type Result = "affected" | "not-in-scope" | "incomplete" | "investigating";
export type Why = "investigating" | "reopened" | "withdrawn" | "kind-not-indexed" | "by-mail" | "retired" | "layer-missing";

/** Members that version 1 does not have are empty there, and not written. */
export interface Verdict {
  result: Result;
  asOf: Time; // the statement's time
  seq: number;
  checked: string[]; // incidents that were sealed and checked
  incidents: { id: string; classes: string[] }[]; // those that affect the identity
  dropped: { id: string; revision: string; classes: string[] }[]; // it was in this earlier revision, and is not in the current one
  unreadable: { id: string; n: number }[]; // of those checked: how many accounts could not be read or have no identity of this kind
  compromised: string[]; // of those checked: under a key that somebody else may have
  notCovered: { id: string; why: Why }[];
  // What keeps an answer from being complete. Each is written only where it is not empty, and answers saved before there were words for it have none.
  sampled: string[]; // incidents in a fold whose own layer was not compared, and in which nothing was found
  ended: { id: string; revision: string }[]; // earlier revisions, which count the kind and cannot be asked any more: their key has ended
  unlisted: string[]; // ended keys of which the statement does not say what was sealed under them
}

/** Gives the entries that could be an output's, of what was got of a layer; undefined where it was not got. */
export type Look = (layer: Hash) => Bytes | undefined;

/** Draws the verdict by the rules of version 1 or 2. compared: the roots of sources that folds were compared with. */
export function conclude(v: 1 | 2, s: Statement, kind: Kind, outputs: Map<string, Bytes>, look: Look, compared: Set<Hash>): Verdict {
  const verdict: Verdict = {
    result: "investigating", asOf: s.time, seq: s.seq, checked: [], incidents: [], dropped: [], unreadable: [], compromised: [], notCovered: [],
    sampled: [], ended: [], unlisted: [],
  };
  const ended = new Map<string, string[]>(); // of incidents: revisions that count the kind
  for (const { incident, revision } of s.keys.flatMap((k) => k.held ?? []).filter((h) => h.counts.has(kind))) {
    ended.set(incident, [...(ended.get(incident) ?? []), revision]);
  }
  const keys = new Map(s.keys.map((k) => [k.id, k]));
  const places = new Map(s.layers.flatMap((l) => l.sources.map((src): [string, Layer] => [revisionName(src.incident, src.revision), l])));

  /** Looks a revision up: what it exposed, "no", or "missing" where its layer was not got. */
  const find = (i: Incident, revision: string, { counts, sets }: Exposed): string[] | "no" | "missing" => {
    if (!counts.has(kind)) return "no";
    const layer = places.get(revisionName(i.id, revision))!;
    const entries = look(layer.id);
    if (entries === undefined) return "missing";
    const set = findEntry(entries, outputs.get(layer.key)!, keys.get(layer.key)!.locatorBits, i.id, revision);
    if (set === undefined) return "no";
    const classes = sets[set];
    if (classes === undefined) throw new Failure("entry", `incident ${i.id}: there is no exposure set ${set}`);
    return classes;
  };

  /** Reports whether a "no" is the word of a fold that was not compared with this revision's own layer. */
  const sampled = (i: Incident, revision: string, { counts }: Exposed): boolean => {
    const layer = places.get(revisionName(i.id, revision))!;
    const source = layer.sources.find((src) => src.incident === i.id && src.revision === revision)!;
    return counts.has(kind) && layer.sources.length > 1 && look(layer.id) !== undefined && !compared.has(source.root);
  };

  /** Looks an incident up, and says why it counts as not checked; undefined where it does. */
  const lookUp = (i: Incident): Why | undefined => {
    if (!sealed(i)) return i.state as Why;
    const found = find(i, i.revision, i);
    if (Array.isArray(found)) {
      verdict.incidents.push({ id: i.id, classes: found });
      return undefined;
    }
    let missing = found === "missing";
    let unsure = sampled(i, i.revision, i);
    for (const before of i.superseded) {
      const then = find(i, before.revision, before);
      if (Array.isArray(then)) verdict.dropped.push({ id: i.id, revision: before.revision, classes: then });
      else unsure ||= sampled(i, before.revision, before);
      missing ||= then === "missing";
    }
    if (unsure) verdict.sampled.push(i.id);
    for (const revision of (ended.get(i.id) ?? []).sort((a, b) => Number(a) - Number(b))) verdict.ended.push({ id: i.id, revision });
    if (missing) return "layer-missing";
    if (!i.counts.has(kind)) return "kind-not-indexed";
    return i.state === "reopened" ? "reopened" : undefined;
  };

  for (const i of s.incidents) {
    const why = lookUp(i);
    if (why !== undefined) {
      verdict.notCovered.push({ id: i.id, why });
      continue;
    }
    verdict.checked.push(i.id);
    const unreadable = (i.unreadable.get(kind) ?? 0) + (i.unreadable.get("rows") ?? 0);
    if (unreadable > 0) verdict.unreadable.push({ id: i.id, n: unreadable });
    if (keys.get(places.get(revisionName(i.id, i.revision))!.key)!.state === "compromised") verdict.compromised.push(i.id);
  }
  verdict.unlisted = s.keys.filter((k) => k.state === "ended" && k.held === undefined).map((k) => k.id);
  if (v === 1) Object.assign(verdict, { sampled: [], ended: [], unlisted: [] });
  if (verdict.incidents.length > 0) verdict.result = "affected";
  else if (v === 2 && missing(verdict)) verdict.result = "incomplete"; // version 1 had no word for it
  else if (verdict.checked.length > 0) verdict.result = "not-in-scope";
  return verdict;
}

/** Reports whether a part of the index was wanted of the server and not given. */
export const missing = ({ notCovered }: Verdict): boolean => notCovered.some((n) => n.why === "layer-missing");

/**
 * Reports whether something was checked, and nothing is missing: what was wanted
 * was given, no fold was taken at its word, and no earlier revision is beyond
 * being asked.
 */
export const complete = (v: Verdict): boolean =>
  v.checked.length > 0 && !missing(v) && v.sampled.length + v.ended.length + v.unlisted.length === 0;
