// How what was found is written: dates no more exact than they are known, and a
// list of feeds for a reader of feeds.

import { lang } from "../fill.ts";
import type { Item } from "./list.ts";

const MONTHS = "January February March April May June July August September October November December".split(" ");

/** Writes the day, month or year of a moment; "" where there is none. */
export function moment(text: string): string {
  const [, about, y, m, d] = /^(~?)(\d{4})(?:-(\d\d))?(?:-(\d\d))?/.exec(text) ?? [];
  if (y === undefined) return "";
  const month = MONTHS[Number(m) - 1];
  if (lang() === "ja") return `${y}年${m ? `${Number(m)}月` : ""}${d ? `${Number(d)}日` : ""}${about ? "頃" : ""}`;
  return `${about ? "about " : ""}${d ? `${Number(d)} ` : ""}${m ? `${month} ` : ""}${y}`;
}

/** Saves the feeds of the organisations of these incidents, as OPML: nothing is asked for before somebody subscribes. */
export function feeds(items: Item[]): void {
  const organisations = new Map(items.filter((it) => it.organisation !== "").map((it) => [it.organisation, it.names[0] ?? it.organisation]));
  const escape = (s: string) => s.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const outlines = [...organisations].map(([id, name]) =>
    `<outline type="rss" text="${escape(name)}" xmlUrl="${escape(`${location.origin}/feeds/atom.xml?organisation=${encodeURIComponent(id)}&lang=${lang()}`)}"/>\n`);
  const file = new Blob([`<?xml version="1.0" encoding="UTF-8"?>\n<opml version="2.0"><head><title>Shirase</title></head><body>\n${outlines.join("")}</body></opml>\n`], { type: "text/x-opml" });
  const a = document.createElement("a");
  a.href = URL.createObjectURL(file);
  a.download = "shirase-feeds.opml";
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 60_000);
}
