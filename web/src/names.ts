// An answer, as the values by name that a page's template is filled with.

import type { Answer } from "./answer.ts";
import { variants } from "./identity.ts";
import type { Display, Names } from "./messages.ts";
import type { Incident, Statement } from "./statement.ts";
import type { Inclusion } from "./tlogproof.ts";
import type { Why } from "./verdict.ts";

/** How an answer is shown. Whatever the server withheld, a person must not read it as a "no". */
export function display({ verdict: { result, notCovered } }: Answer): Display {
  const some = (why: Why) => notCovered.some((n) => n.why === why);
  if (result === "affected" || result === "incomplete") return result;
  if (some("layer-missing")) return "incomplete"; // version 1 had no word for it
  if (result === "not-in-scope") return result;
  return some("investigating") || some("reopened") ? result : "unchecked";
}

export function namesOf(answer: Answer, statement: Statement, inclusion: Inclusion, lang: string): Names {
  const { verdict } = answer;
  const incidents = new Map(statement.incidents.map((i) => [i.id, incidentNames(i, lang)]));
  const why = (w: Why): Names[] => verdict.notCovered.filter((n) => n.why === w).map((n) => incidents.get(n.id)!);
  const rest = verdict.notCovered.filter((n) => n.why !== "investigating" && n.why !== "layer-missing"); // what open and missing do not tell
  return {
    kind: answer.identity.kind,
    address: answer.identity.value.replace("\0", " "),
    claimed: answer.claimed,
    asOf: verdict.asOf,
    expires: statement.expires,
    seq: verdict.seq,
    entries: statement.layers.reduce((sum, l) => sum + l.n, 0),
    layers: statement.layers.length,
    origin: inclusion.checkpoint.origin,
    ledgerIndex: inclusion.index,
    ledgerSize: inclusion.checkpoint.size,
    published: statement.incidents.length,
    checked: verdict.checked.length,
    checkedList: verdict.checked.map((id) => incidents.get(id)!),
    affected: verdict.incidents.length,
    incidents: verdict.incidents.map((i) => ({ ...incidents.get(i.id)!, classes: i.classes.map((c) => ({ class: c })) })),
    exposed: [...new Set(verdict.incidents.flatMap((i) => i.classes))].map((c) => ({ class: c })),
    notCovered: verdict.notCovered.length,
    notCoveredList: verdict.notCovered.map((n) => ({ ...incidents.get(n.id)!, why: n.why })),
    open: why("investigating").length,
    openList: why("investigating"),
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
