// What password managers export: of each entry its name, its site and, where
// that is there, when its password was chosen. Passwords and user names are in
// the file; nothing of them is read.

import { hostOf, type Login } from "./match.ts";

export const MAX_FILE = 20 << 20; // bytes
const MAX_ENTRIES = 20_000;
const MAX_LABEL = 200;

/** Why a file is not read. */
export type Reason = "too-long" | "encrypted" | "unknown-form" | "empty";

export class ExportError extends Error {
  constructor(readonly reason: Reason) {
    super(reason);
  }
}

/** Reads an export of Chrome, Firefox, Safari, Bitwarden, KeePass or 1Password. */
export function readExport(text: string): Login[] {
  if (text.length > MAX_FILE) throw new ExportError("too-long");
  const begins = text.replace(/^\ufeff/, "").trimStart();
  const logins = begins.startsWith("{") ? bitwarden(begins) : begins.startsWith("<") ? keepass(begins) : table(begins);
  if (logins.length === 0) throw new ExportError("empty");
  if (logins.length > MAX_ENTRIES) throw new ExportError("too-long");
  return logins;
}

function login(name: string, sites: string[], chosen: Pick<Login, "changed" | "atMost">): Login | undefined {
  const hosts = [...new Set(sites.map(hostOf).filter((h) => h !== ""))];
  const title = name.trim().slice(0, MAX_LABEL);
  if (title === "" && hosts.length === 0) return undefined;
  const named = title === "" || hostOf(title) !== "" ? "" : title;
  return { label: named === "" ? (hosts[0] ?? title) : hosts[0] === undefined ? named : `${named} (${hosts[0]})`, name: named, hosts, ...chosen };
}

const some = (logins: (Login | undefined)[]): Login[] => logins.filter((l) => l !== undefined);

const instant = (text: unknown): number | undefined => {
  const at = typeof text === "string" ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? undefined : at;
};

const record = (value: unknown): Record<string, unknown> => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {});

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Bitwarden's JSON. A password that was never changed there was chosen when the entry was made, or before. */
function bitwarden(text: string): Login[] {
  let file: Record<string, unknown>;
  try {
    file = record(JSON.parse(text));
  } catch {
    throw new ExportError("unknown-form");
  }
  if (file.encrypted === true) throw new ExportError("encrypted");
  if (!Array.isArray(file.items)) throw new ExportError("unknown-form");
  return some(file.items.slice(0, MAX_ENTRIES + 1).map((value) => {
    const item = record(value);
    if (item.type !== 1) return undefined; // a card, a note, an identity
    const of = record(item.login);
    const sites = listOf(of.uris).map((u) => record(u).uri).filter((u) => typeof u === "string");
    const revised = instant(of.passwordRevisionDate);
    const chosen = revised !== undefined ? { changed: revised, atMost: false } : { changed: instant(item.creationDate), atMost: true };
    return login(typeof item.name === "string" ? item.name : "", sites, chosen);
  }));
}

/** KeePass 2's XML. An entry that was changed somehow has its password since then, or longer. */
function keepass(text: string): Login[] {
  if (/<!DOCTYPE|<!ENTITY/i.test(text.slice(0, 10_000))) throw new ExportError("unknown-form");
  const file = new DOMParser().parseFromString(text, "application/xml");
  if (file.documentElement.tagName !== "KeePassFile") throw new ExportError("unknown-form");
  const child = (e: Element, name: string) => [...e.children].find((c) => c.tagName === name);
  return some([...file.getElementsByTagName("Entry")].filter((e) => e.parentElement?.tagName === "Group").map((e) => {
    const values = new Map([...e.children].filter((c) => c.tagName === "String").map((c) => [child(c, "Key")?.textContent ?? "", child(c, "Value")?.textContent ?? ""]));
    const changed = instant(child(child(e, "Times") ?? e, "LastModificationTime")?.textContent);
    return login(values.get("Title") ?? "", [values.get("URL") ?? ""], { changed, atMost: true });
  }));
}

const SITES = ["url", "login_uri", "web site", "website", "urls", "hostname", "login_url"];
const TITLES = ["title", "name", "account"];

/** A table with a first line: Chrome, Firefox, Safari, Bitwarden, KeePass, 1Password. */
function table(text: string): Login[] {
  const rows = csv(text);
  const head = (rows.shift() ?? []).map((h) => h.trim().toLowerCase());
  const column = (names: string[]) => names.map((n) => head.indexOf(n)).find((i) => i >= 0) ?? -1;
  const [site, title, type] = [column(SITES), column(TITLES), column(["type"])];
  const [passwordChanged, created, modified] = [column(["timepasswordchanged"]), column(["timecreated"]), column(["last modified"])];
  if (site < 0 && title < 0 || !head.some((h) => h.includes("password"))) throw new ExportError("unknown-form");
  const number = (text: string | undefined) => (/^\d{10,14}$/.test(text ?? "") ? Number(text) : undefined);
  return some(rows.map((row) => {
    if (type >= 0 && head.includes("login_uri") && row[type] !== "login") return undefined;
    const sites = (row[site] ?? "").split(/,(?=\s*[a-z][a-z0-9+.-]*:\/\/)|\n/i);
    const changed = number(row[passwordChanged]);
    // As old as the entry is what came with it, from another browser perhaps.
    if (changed !== undefined) return login(row[title] ?? "", sites, { changed, atMost: !(changed > (number(row[created]) ?? changed)) });
    return login(row[title] ?? "", sites, { changed: instant(row[modified]), atMost: true });
  }));
}

/** Reads a table (RFC 4180), whatever ends its lines. */
export function csv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (let at = 0; at < text.length; ) {
    let field = "";
    if (text[at] === '"') {
      for (at++; ; at++) {
        const close = text.indexOf('"', at);
        field += text.slice(at, close < 0 ? text.length : close);
        at = close < 0 ? text.length : close + 1;
        if (text[at] !== '"') break;
        field += '"';
      }
    }
    const end = /[,\r\n]/g;
    end.lastIndex = at;
    const next = end.exec(text)?.index ?? text.length;
    row.push(field + text.slice(at, next));
    at = next + 1;
    if (text[next] === ",") {
      if (at >= text.length) row.push("");
      continue;
    }
    if (text[next] === "\r" && text[at] === "\n") at++;
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
    if (rows.length > MAX_ENTRIES + 1) throw new ExportError("too-long");
  }
  if (row.length > 0) rows.push(row);
  return rows;
}
