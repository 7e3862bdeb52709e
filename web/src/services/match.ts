// Which incidents concern a service that somebody uses. Names of services, of
// companies and of domains differ, so there are grades: what is certain is told
// from what a person has to look at.

import { type Item, momentStart } from "./list.ts";

/** What somebody uses: typed, or from an export. Nothing of it is kept here. */
export interface Login {
  label: string; // as it is shown to its owner
  name: string; // of the entry, or as it was typed; ""
  hosts: string[]; // in lower case; of an app, its package's name turned round
  changed?: number | undefined; // milliseconds since 1970: when the password was chosen
  atMost?: boolean | undefined; // it was chosen then or before
}

/**
 * service: this is what was affected. organisation: another incident of that
 * organisation says so, and this one does not say which service. perhaps: a name
 * is alike. unrelated: the incident says that it was not affected.
 */
export type Grade = "service" | "organisation" | "perhaps" | "unrelated";

/** Whether the password was chosen after what happened had ended. */
export type Since = "no" | "unknown" | "maybe" | "yes";

export interface Match {
  item: Item;
  grade: Grade;
  since: Since; // the worst of its logins
  logins: Login[];
  password: boolean; // something to sign in with was exposed
}

const ORDER: Grade[] = ["service", "unrelated", "organisation", "perhaps"]; // what counts where several hold
const WORST: Since[] = ["no", "unknown", "maybe", "yes"];
const LEGAL = /株式会社|\(株\)|有限会社|合同会社|一般社団法人|公益財団法人|(?:[ ,.]+(?:inc|incorporated|corp|corporation|co|company|ltd|limited|llc|plc|gmbh|k\.k|kk)\.?)+$/g;
const SECOND = new Set(["co", "ne", "or", "go", "ac", "ad", "ed", "gr", "lg", "com", "net", "org", "gov", "edu"]);
const SHORTEST = 4; // letters of a label of a domain, or of a Latin name's beginning, that says anything
const SHORTEST_CJK = 2;
const MAX_LINE = 300; // characters

/** Gives a name as names are compared: without its legal form, width, case, signs and kind of kana. */
export function fold(name: string): string {
  let s = name;
  if (/[^ -~]/.test(s)) s = s.normalize("NFKC").replace(/[\u3041-\u3096]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0x60));
  s = s.toLowerCase().trim();
  const bare = s.replace(LEGAL, "").trim();
  return (bare === "" ? s : bare).replace(/[^\p{L}\p{N}\p{M}]/gu, "");
}

/** Gives the label of a host that somebody registered: example of www.example.co.jp. */
export function mainLabel(host: string): string {
  const labels = host.split(".");
  let i = labels.length - 2;
  if (i > 0 && labels[labels.length - 1]!.length === 2 && SECOND.has(labels[i]!)) i--;
  return labels[i] ?? "";
}

/** Reads the host of what stands as a site: a URL, a name of a host, or an app of Android. "" where there is none. */
export function hostOf(site: string): string {
  const text = site.trim();
  const app = /^android(?:app)?:\/\/(?:[^/@]*@)?([a-z0-9_.-]+)\/?$/i.exec(text);
  if (app) return app[1]!.toLowerCase().split(".").reverse().join(".");
  if (!/^https?:\/\//i.test(text) && !/^[^\s/@:]+\.[^\s/@:]{2,}(?:[/:]|$)/.test(text)) return "";
  try {
    const { hostname } = new URL(/^https?:\/\//i.test(text) ? text : `https://${text}`);
    return /\.[a-z]|xn--/i.test(hostname) ? hostname.replace(/^www\./, "").replace(/\.$/, "") : "";
  } catch {
    return "";
  }
}

/** Reads a line that somebody typed: a name, or a site. */
export function typed(typed: string): Login {
  const line = typed.slice(0, MAX_LINE);
  const host = hostOf(line);
  return { label: line, name: line.includes("://") && host !== "" ? "" : line, hosts: host === "" ? [] : [host] }; // a name may look like a site
}

const WAYS_IN = /^(password|credential|auth-token|security-question)(:|$)/;

export class Matcher {
  private readonly byDomain = new Map<string, Item[]>();
  private readonly byName = new Map<string, Item[]>();
  private readonly byOrganisation = new Map<string, Item[]>();
  private readonly unrelated = new Map<Item, Set<string>>();
  private readonly byUnrelated = new Map<string, Item[]>();
  private readonly names: string[]; // folded, sorted

  constructor(readonly items: Item[]) {
    const put = <K>(map: Map<K, Item[]>, key: K, item: Item) => {
      const list = map.get(key);
      if (list === undefined) map.set(key, [item]);
      else if (list[list.length - 1] !== item) list.push(item);
    };
    for (const item of items) {
      if (item.organisation !== "") put(this.byOrganisation, item.organisation, item);
      for (const domain of item.domains) put(this.byDomain, domain, item);
      if (item.unrelated.length > 0) {
        const folded = new Set(item.unrelated.map(fold));
        this.unrelated.set(item, folded);
        for (const name of folded) put(this.byUnrelated, name, item);
      }
      for (const name of item.names) {
        const folded = fold(name);
        if (folded !== "") put(this.byName, folded, item);
      }
    }
    this.names = [...this.byName.keys()].sort();
  }

  /** Gives what concerns any of the logins, the most urgent first. */
  match(logins: Login[]): Match[] {
    const found = new Map<Item, Match>();
    for (const login of logins) {
      for (const [item, grade] of this.of(login)) {
        const since = chosenAfter(item, login);
        const match = found.get(item);
        if (match === undefined) {
          found.set(item, { item, grade, since, logins: [login], password: item.classes.some((c) => WAYS_IN.test(c)) });
          continue;
        }
        if (better(grade, match.grade)) {
          Object.assign(match, { grade, since, logins: [login] });
        } else if (grade === match.grade) {
          match.logins.push(login);
          if (WORST.indexOf(since) < WORST.indexOf(match.since)) match.since = since;
        }
      }
    }
    const rank = (m: Match) => ORDER.indexOf(m.grade) * 100 + (m.grade === "unrelated" ? 1000 : 0) + (m.password ? WORST.indexOf(m.since) : 10);
    const when = (m: Match) => m.item.disclosed || m.item.since.replace("~", "");
    return [...found.values()].sort((a, b) => rank(a) - rank(b) || (when(a) < when(b) ? 1 : -1));
  }

  /** Gives what concerns one login, with how surely. */
  private of(login: Login): Map<Item, Grade> {
    const out = new Map<Item, Grade>();
    const name = fold(login.name);
    const known = new Set(login.hosts.map(mainLabel).filter((l) => l.length >= SHORTEST).map(fold));
    const put = (item: Item, grade: Grade) => {
      const not = this.unrelated.get(item);
      const is = not && ((name !== "" && not.has(name)) || [...known].some((l) => not.has(l))) ? "unrelated" : grade;
      const was = out.get(item);
      if (was === undefined || better(is, was)) out.set(item, is);
    };
    const sure = new Set<string>(); // organisations of what is certain
    const certain = (items: Item[] | undefined) => {
      for (const item of items ?? []) {
        put(item, "service");
        if (item.organisation !== "") sure.add(item.organisation);
      }
    };
    for (const host of login.hosts) {
      for (let at = 0; at >= 0; at = host.indexOf(".", at) + 1 || -1) certain(this.byDomain.get(host.slice(at)));
    }
    // An entry may be called anything; where it has a site, and the incident has other ones, its name alone does not do.
    const elsewhere = (item: Item) => login.hosts.length > 0 && item.domains.length > 0;
    for (const item of this.byName.get(name) ?? []) {
      if (elsewhere(item)) put(item, "perhaps");
      else certain([item]);
    }
    for (const label of known) for (const item of this.byName.get(label) ?? []) put(item, "perhaps");
    for (const said of [name, ...known]) for (const item of this.byUnrelated.get(said) ?? []) put(item, "perhaps"); // which it is not
    if (login.hosts.length === 0) for (const item of this.alike(name)) put(item, "perhaps");
    for (const organisation of sure) {
      for (const item of this.byOrganisation.get(organisation) ?? []) if (item.domains.length === 0) put(item, "organisation");
    }
    return out;
  }

  /** Gives incidents of which a name begins as this one does, or that this one begins with. */
  private alike(name: string): Item[] {
    const out: Item[] = [];
    const enough = (s: string) => s.length >= (/^[ -~]*$/.test(s) ? SHORTEST : SHORTEST_CJK);
    if (!enough(name)) return out;
    let [low, high] = [0, this.names.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.names[middle]! < name) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.names.length && this.names[i]!.startsWith(name); i++) out.push(...this.byName.get(this.names[i]!)!);
    for (let n = name.length - 1; n > 0 && enough(name.slice(0, n)); n--) out.push(...(this.byName.get(name.slice(0, n)) ?? []));
    return out;
  }
}

const better = (a: Grade, b: Grade): boolean => ORDER.indexOf(a) < ORDER.indexOf(b);

/** Holds when a password was chosen to when it was over. "yes" is said only where it is known. */
export function chosenAfter(item: Item, { changed, atMost }: Login): Since {
  if (changed === undefined) return "unknown";
  const over = item.over * 1000;
  const since = momentStart(item.since);
  const before = over > 0 ? over : since;
  if (before !== undefined && changed < before) return "no";
  return over > 0 && !atMost ? "yes" : before === undefined ? "unknown" : "maybe";
}
