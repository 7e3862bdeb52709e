// The list of services (docs/FORMAT.md): what of it a page reads, and how it is
// brought up to date. It mirrors internal/services/list.go and runs its vectors.

import { sha256 } from "@noble/hashes/sha2.js";
import { toHex, utf8 } from "../encoding.ts";
import { Failure } from "../failure.ts";

const FIRST = '{"v":1}';
const MAX_ITEMS = 100_000;
const MAX_TEXTS = 64;
const MAX_TEXT = 300; // bytes
export const MAX_LIST = 8 << 20; // bytes

/** One incident, by what somebody knows that they use what it affected. */
export interface Item {
  id: string;
  names: string[]; // the organisation's in Japanese, then in English, "" where it is the same; then other names, and services
  domains: string[]; // what is below one belongs to it
  unrelated: string[]; // services of which it is said that they were not affected
  organisation: string; // its id in the archive, or ""
  since: string; // a moment, "~" in front where it is only roughly known; or ""
  disclosed: string; // likewise
  over: number; // seconds since 1970: a password chosen from then on was not among what was taken; 0: nothing tells
  classes: string[]; // of data
}

const refuse = (why: string): never => {
  throw new Failure("server", `not a list of services: ${why}`);
};

/** Reads a list. */
export function parseList(text: string): Item[] {
  const lines = linesOf(text);
  if (lines[0] !== FIRST) refuse("its first line is not that of version 1");
  const items = lines.slice(1).map(parseItem);
  if (items.some((it, i) => i > 0 && items[i - 1]!.id >= it.id)) refuse("not in the order of ids");
  return items;
}

function linesOf(text: string): string[] {
  if (!text.endsWith("\n") || text.length > MAX_LIST) refuse("too long, or cut off");
  const lines = text.slice(0, -1).split("\n");
  if (lines.length > MAX_ITEMS + 1) refuse("too many incidents");
  return lines;
}

function parseItem(line: string): Item {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch {
    refuse("a line is not JSON");
  }
  if (!Array.isArray(raw) || raw.length !== 9) return refuse("another number of members");
  const [id, names, domains, unrelated, organisation, since, disclosed, over, classes] = raw as unknown[];
  if (typeof id !== "string" || !/^[a-z0-9-]{1,64}$/.test(id)) return refuse("an id is none");
  if (![organisation, since, disclosed, classes].every((v) => typeof v === "string")) return refuse("a member is no text");
  if (!texts(names) || !texts(domains) || !texts(unrelated) || names.length + domains.length === 0) return refuse("names or domains are none");
  if (!domains.every(isDomain)) return refuse("a domain is none");
  if (!isMoment(since as string) || !isMoment(disclosed as string)) return refuse("a time is none");
  if (typeof over !== "number" || !Number.isSafeInteger(over) || over < 0) return refuse("a time is none");
  if (JSON.stringify(raw) !== line) return refuse("a line is not in its canonical bytes");
  return {
    id, names, domains, unrelated, organisation: organisation as string, since: since as string, disclosed: disclosed as string, over,
    classes: (classes as string).split(" ").filter((c) => c !== ""),
  };
}

const texts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length <= MAX_TEXTS && value.every((v) => typeof v === "string" && v.length <= MAX_TEXT && !/[\ud800-\udfff]/u.test(v));

/** As incident.Domain has it: A-labels in lower case, no www. in front, and a top label of letters. */
const isDomain = (text: string): boolean =>
  text.length <= 253 && !text.startsWith("www.") && /^([a-z0-9-]{1,63}\.)+(xn--[a-z0-9-]{1,59}|[a-z]{2,63})$/.test(text);

const isMoment = (text: string): boolean =>
  text === "" || /^~?\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3])(:[0-5]\d)?)?)?)?(Z|[+-]\d\d:\d\d)$/.test(text);

/** Names a list. */
export const hashOf = (text: string): string => toHex(sha256(utf8(text)));

const idOf = (line: string): string => line.slice(2, line.indexOf('"', 2));

/** Makes of a list the one that a change leads to, whose hash is `to`. */
export function applyChange(from: string, change: string, to: string): string {
  const [head = "", ...steps] = linesOf(change);
  if (head !== `{"from":"${hashOf(from)}","to":"${to}","v":1}`) refuse("the change is not one of this list");
  const lines = new Map(linesOf(from).slice(1).map((line) => [idOf(line), line]));
  for (const step of steps) {
    if (step.startsWith('"')) lines.delete(step.slice(1, -1));
    else lines.set(idOf(step), step);
  }
  const sorted = [...lines.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line + "\n");
  const made = FIRST + "\n" + sorted.join("");
  if (hashOf(made) !== to) refuse("what the change makes is not what it names");
  return made;
}

/** Reads when a moment of a list began, in milliseconds. */
export function momentStart(moment: string): number | undefined {
  const m = /^~?(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?:T(\d\d)(?::(\d\d))?)?(Z|[+-]\d\d:\d\d)$/.exec(moment);
  if (!m) return undefined;
  const at = Date.parse(`${m[1]}-${m[2] ?? "01"}-${m[3] ?? "01"}T${m[4] ?? "00"}:${m[5] ?? "00"}:00${m[6]}`);
  return Number.isNaN(at) ? undefined : at;
}
