// An answer, as the values by name that a page's template is filled with.

import type { Answer } from "./answer.ts";
import { variants } from "./identity.ts";
import type { Display, Names } from "./messages.ts";
import type { Incident, Statement } from "./statement.ts";
import type { Inclusion } from "./tlogproof.ts";
import type { Vouched } from "./trust.ts";
import { missing, type Why } from "./verdict.ts";

/** How an answer is shown. Whatever the server withheld, a person must not read it as a "no". */
export function display({ verdict }: Answer): Display {
  const { result, dropped, notCovered } = verdict;
  if (result === "affected") return result;
  if (dropped.length > 0) return "dropped";
  if (missing(verdict)) return "incomplete"; // version 1 had no word for it
  if (result === "not-in-scope") return result;
  return notCovered.some((n) => n.why === "investigating" || n.why === "reopened") ? "investigating" : "unchecked";
}

/** What is known of where an answer comes from. */
export interface Source {
  statement: Statement;
  inclusion: Inclusion;
  vouched: Vouched;
}

/** Reasons that have a place of their own on the page. */
const TOLD: Why[] = ["investigating", "reopened", "layer-missing"];

export function namesOf(answer: Answer, { statement, inclusion, vouched }: Source, lang: string): Names {
  const { verdict } = answer;
  const unreadable = new Map(verdict.unreadable.map((u) => [u.id, u.n]));
  const incidents = new Map(statement.incidents.map((i) => [i.id, { ...incidentNames(i, lang), unreadable: unreadable.get(i.id) ?? 0 }]));
  const named = (ids: string[]): Names[] => ids.map((id) => incidents.get(id)!);
  const classes = (all: string[]): Names[] => all.map((c) => ({ class: c }));
  const why = (...reasons: Why[]): Names[] => named(verdict.notCovered.filter((n) => reasons.includes(n.why)).map((n) => n.id));
  const rest = verdict.notCovered.filter((n) => !TOLD.includes(n.why));
  const answered = verdict.checked.length > 0 ? verdict.checked : statement.incidents.map((i) => i.id);
  return {
    kind: answer.identity.kind,
    address: answer.identity.value.replace("\0", " "),
    claimed: answer.claimed,
    asOf: verdict.asOf,
    expires: statement.expires,
    seq: verdict.seq,
    entries: statement.layers.reduce((sum, l) => sum + l.n, 0),
    origin: vouched.origin,
    ledgerIndex: inclusion.index,
    ledgerSize: inclusion.checkpoint.size,
    ledgerKey: vouched.key,
    ...(vouched.since !== "" && { since: vouched.since }),
    firstUse: vouched.met,
    host: vouched.host,
    witnesses: vouched.witnesses.map((w) => ({ witness: w })),
    organisations: [...new Set(named(answered).map((i) => String(i.organisation)))].map((o) => ({ organisation: o })),
    published: statement.incidents.length,
    checked: verdict.checked.length,
    checkedList: named(verdict.checked),
    affected: verdict.incidents.length,
    incidents: verdict.incidents.map((i) => ({ ...incidents.get(i.id)!, classes: classes(i.classes) })),
    exposed: classes([...new Set([...verdict.incidents, ...verdict.dropped].flatMap((i) => i.classes))]),
    dropped: verdict.dropped.length,
    droppedList: verdict.dropped.map((d) => ({ ...incidents.get(d.id)!, earlier: d.revision, classes: classes(d.classes) })),
    compromised: verdict.compromised.length,
    compromisedList: named(verdict.compromised),
    notCovered: verdict.notCovered.length,
    notCoveredList: verdict.notCovered.map((n) => ({ ...incidents.get(n.id)!, why: n.why })),
    open: why("investigating").length,
    openList: why("investigating"),
    reopened: why("reopened").length,
    reopenedList: why("reopened"),
    sampled: verdict.sampled.length,
    sampledList: named(verdict.sampled),
    ended: verdict.ended.length,
    endedList: verdict.ended.map((e) => ({ ...incidents.get(e.id)!, earlier: e.revision })),
    unlisted: verdict.unlisted.length,
    ...(vouched.witnessesChanged !== "" && { witnessesChanged: vouched.witnessesChanged }),
    missing: why("layer-missing").length,
    missingList: why("layer-missing"),
    rest: rest.length,
    restList: rest.map((n) => ({ ...incidents.get(n.id)!, why: n.why })),
    variants: variants(answer.identity).map((v) => ({ variant: v.value })),
  };
}

function incidentNames(i: Incident, lang: string): Names {
  const title = i.title.get(lang) ?? i.title.get("ja") ?? [...i.title.values()][0]!;
  return { id: i.id, title, organisation: i.organisation, asOf: i.asOf, revision: i.revision };
}
