// What a statement must be like by itself: order, limits, and that every sealed
// revision is in exactly one layer whose sources add up. It mirrors
// check/validate.go.

import { bucketBits, bucketSize, MAX_PAD } from "./bucket.ts";
import { toBase64url, utf8 } from "./encoding.ts";
import { statementPolicy } from "./policy.ts";
import { exposed, type Exposed, type Incident, type Key, type Layer, milliseconds, sealed, type Source, type Statement, total } from "./statement.ts";
import { isElement } from "./voprf.ts";

const HOUR = 3_600_000; // milliseconds
const MAX_LIFE = 48; // hours from time to expires, version 1
const LIFE_WITNESSED = 24; // version 2, where its policy has a quorum
const LIFE_ALONE = 6; // version 2, where it has none
const MAX_ENTRIES = 2 ** 40;
const MAX_LOCATOR_BITS = 24;
const MAX_SETS = 1 << 16;
const MAX_OPEN_KEYS = 2; // not ended
const MAX_KEYS = 64;

const KINDS = ["email", "phone", "account"];

function require(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** Ids are ASCII, and hashes hex, so the order of their UTF-16 code units is that of their bytes. */
const ascending = <T>(items: T[], of: (item: T) => string | number): boolean =>
  items.every((item, i) => i === 0 || of(items[i - 1]!) < of(item));

const within = (n: number, from: number, to: number): boolean => from <= n && n <= to;

const validId = (id: string): boolean => /^[a-z0-9-]{1,64}$/.test(id);

const validRevision = (revision: string): boolean => /^(0|[1-9][0-9]{0,8})$/.test(revision);

/** Names one revision of one incident. */
export const revisionName = (incident: string, revision: string): string => `${incident} ${revision}`;

/** Throws where a statement contradicts itself. */
export function validate(s: Statement): void {
  require(s.seq >= 1, "seq is out of range");
  require((s.seq === 1) === /^0+$/.test(s.prev), "prev is zero in the first statement and only there");
  require(within(milliseconds(s.expires) - milliseconds(s.time), 1, life(s) * HOUR), "expires is not soon after time");
  require(/^[A-Z]{2}$/.test(s.phoneRegion), "phoneRegion is not two capital letters");
  validateKeys(s);
  require(ascending(s.incidents, (i) => i.id), "incidents are not in the order of their ids");
  for (const i of s.incidents) validateIncident(s.v, i);
  validateLayers(s);
}

/** Gives how many hours the statement may be valid. */
function life(s: Statement): number {
  if (s.ledger === undefined) return MAX_LIFE;
  require(s.ledger.key !== s.ledger.next, "a ledger's key cannot follow itself");
  return statementPolicy(s.ledger.policy).quorum === undefined ? LIFE_ALONE : LIFE_WITNESSED;
}

function validateKeys(s: Statement): void {
  require(ascending(s.keys, (k) => k.id), "keys are not in the order of their ids");
  require(s.keys.length <= MAX_KEYS && s.keys.filter((k) => k.state !== "ended").length <= MAX_OPEN_KEYS, "too many keys");
  for (const k of s.keys) {
    require(validId(k.id), "a key's id is not [a-z0-9-]{1,64}");
    require(within(k.locatorBits, 1, MAX_LOCATOR_BITS), "locatorBits is not 1 to 24");
    require(["live", "compromised", "ended"].includes(k.state), "a key's state is unknown");
    require(isElement(k.public), "a public key is no element");
    require(k.held === undefined || (s.v === 2 && k.state === "ended"), "what a key held is said of one that has ended");
  }
  require(s.v === 1 || new Set(s.keys.map((k) => toBase64url(k.public))).size === s.keys.length, "two keys have the same bytes");
}

function validateIncident(v: number, i: Incident): void {
  const readable = (t: string) => t !== "" && utf8(t).length <= 1000;
  require(validId(i.id), "an incident's id is not [a-z0-9-]{1,64}");
  require(validRevision(i.revision), "revision is not a decimal without leading zeros");
  require(readable(i.organisation), "organisation is empty or too long");
  require(within(i.title.size, 1, 16), "title is wanted in 1 to 16 languages");
  for (const [lang, t] of i.title) require(/^[a-z]{2}$/.test(lang) && readable(t), "title is not a text by language");
  validateExposed(i);
  for (const [kind, n] of i.unreadable) {
    require((KINDS.includes(kind) || kind === "rows") && n >= 1, "unreadable has an unknown kind or a number below one");
  }
  require(v === 2 || !["reopened", "withdrawn"].includes(i.state), "a state that version 1 does not have");
  if (sealed(i)) require(i.revision !== "0" && i.sets.length > 0 && i.counts.size > 0, "a sealed incident has a revision, counts and sets");
  else {
    require(["investigating", "by-mail", "retired", "withdrawn"].includes(i.state), "state is unknown");
    require(i.superseded.length === 0, "superseded revisions of an incident that is not sealed");
  }
  for (const before of i.superseded) {
    require(validRevision(before.revision) && within(Number(before.revision), 1, Number(i.revision) - 1), "a superseded revision is not before the incident's");
    require(before.sets.length > 0 && before.counts.size > 0, "a superseded revision has counts and sets");
    validateExposed(before);
  }
  require(ascending(i.superseded, (before) => Number(before.revision)), "superseded revisions are not in their order");
}

function validateExposed({ counts, sets }: Exposed): void {
  for (const [kind, n] of counts) require(KINDS.includes(kind) && n >= 1, "counts has an unknown kind or a number below one");
  require(sets.length <= MAX_SETS, "more than 65536 sets");
  for (const set of sets) {
    require(within(set.length, 1, 64) && ascending(set, (c) => c), "a set is not 1 to 64 classes in order");
    require(set.every((c) => /^[a-z][a-z0-9-]{0,39}(:[a-z][a-z0-9-]{0,19})?$/.test(c)), "a set holds what is no data class");
  }
}

function validateLayers(s: Statement): void {
  require(ascending(s.layers, (l) => l.id), "layers are not in the order of their ids");
  const incidents = new Map(s.incidents.map((i) => [i.id, i]));
  const keys = new Map(s.keys.map((k) => [k.id, k]));
  const placed = new Set<string>();
  const roots = new Set<string>();
  for (const l of s.layers) {
    validateLayer(l, keys.get(l.key));
    for (const src of l.sources) {
      validateSource(src, l.n, incidents.get(src.incident));
      require(s.v === 1 || !roots.has(src.root), "two sources have the same root");
      roots.add(src.root);
      const name = revisionName(src.incident, src.revision);
      require(!placed.has(name), `revision ${name} is in two layers`);
      placed.add(name);
    }
  }
  for (const l of s.layers) require(s.v === 1 || l.sources.length === 1 || !roots.has(l.root), "a layer of several sources has the root of one");
  for (const l of s.layers) roots.add(l.root);
  validateHeld(s, incidents, placed, roots);
  for (const i of s.incidents) {
    require(!sealed(i) || placed.has(revisionName(i.id, i.revision)), `${i.id} is ${i.state} and in no layer`);
    for (const before of i.superseded) require(placed.has(revisionName(i.id, before.revision)), `a superseded revision of ${i.id} is in no layer`);
  }
}

/** Checks what is said of ended keys: revisions that are in no layer and under no other key, before the current ones of their incidents. */
function validateHeld(s: Statement, incidents: Map<string, Incident>, placed: Set<string>, roots: Set<string>): void {
  for (const { held = [] } of s.keys) {
    require(inOrder(held), "what a key held is not in the order of incidents and revisions");
    for (const h of held) {
      const i = incidents.get(h.incident);
      const name = revisionName(h.incident, h.revision);
      require(i !== undefined && validRevision(h.revision) && h.revision !== "0", "a key held no revision of an incident");
      require(!sealed(i) || Number(h.revision) < Number(i.revision), "what a key held is not before the incident's own revision");
      require(h.sets.length > 0 && h.counts.size > 0, "what a key held has counts and sets");
      validateExposed(h);
      require([...h.counts.values()].every((n) => n <= MAX_ENTRIES), "counts are out of range");
      require(!placed.has(name) && !roots.has(h.root), "what a key held is elsewhere too");
      placed.add(name);
      roots.add(h.root);
    }
  }
}

const inOrder = (sources: { incident: string; revision: string }[]): boolean => sources.every((b, i) => {
  const a = sources[i - 1];
  return a === undefined || a.incident < b.incident || (a.incident === b.incident && Number(a.revision) < Number(b.revision));
});

function validateLayer(l: Layer, key: Key | undefined): void {
  require(key !== undefined && key.state !== "ended", "a layer's key is not among the keys, or ended");
  require(within(l.n, 1, MAX_ENTRIES), "n is out of range");
  require(l.bits === bucketBits(l.n, key.locatorBits), "bits does not follow from n");
  require(l.id === l.root, "id is not the root");
  require(within(l.pad, bucketSize(0, l.bits), MAX_PAD), "pad is out of range");
  require(l.sources.length > 0, "a layer has no sources");
  require(l.sources.length > 1 || l.sources[0]!.root === l.root, "a layer's one source has another root");
  require(inOrder(l.sources), "sources are not in the order of incidents and revisions");
  require(l.sources.reduce((sum, src) => sum + src.n, 0) === l.n, "n is not the sum of the sources");
}

function validateSource(src: Source, most: number, i: Incident | undefined): void {
  const listed = i && exposed(i, src.revision);
  require(listed !== undefined, "a source is no revision that its incident lists");
  require(within(src.n, 1, most), "a source's n is out of range");
  require(total(listed) === src.n, `incident ${src.incident} counts other entries than its source holds`);
}
