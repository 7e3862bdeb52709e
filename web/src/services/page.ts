// The page "My services". The list comes to the device when the page is opened;
// from then on nothing is asked of anyone, whatever is typed or dropped.

import { all, failureElement, focusOn, one, onClick, show } from "../desk.ts";
import { Failure } from "../failure.ts";
import { fromTemplate, lang, refill } from "../fill.ts";
import { type Names, PINS } from "../messages.ts";
import { parsePins } from "../pins.ts";
import { ticks } from "../ticks.ts";
import { ExportError, MAX_FILE, readExport } from "./exports.ts";
import { fetchList, type Known } from "./fetch.ts";
import { type Login, type Match, Matcher, typed } from "./match.ts";
import { feeds, moment } from "./saying.ts";
import { keepList, keepOwn, readList, readOwn } from "./store.ts";

const MAX_LINES = 5_000;

export function prepareServices(form: HTMLFormElement): void {
  void new Services(form).prepare();
}

class Services {
  private readonly lines: HTMLTextAreaElement;
  private readonly file: HTMLInputElement;
  private readonly keep: HTMLInputElement;
  private readonly button: HTMLButtonElement;
  private readonly results = one("[data-results]")!;
  private matcher: Matcher | undefined;
  private exported: Login[] = []; // of the file, as long as the page is open

  constructor(private readonly form: HTMLFormElement) {
    this.lines = form.querySelector<HTMLTextAreaElement>("[data-lines]")!;
    this.file = form.querySelector<HTMLInputElement>("[data-file]")!;
    this.keep = form.querySelector<HTMLInputElement>("[data-keep]")!;
    this.button = form.querySelector<HTMLButtonElement>("[data-submit]")!;
  }

  async prepare(): Promise<void> {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.compare();
    });
    this.file.addEventListener("change", () => void this.take(this.file.files));
    this.drops();
    for (const e of all("[data-forget]")) {
      e.addEventListener("click", () => {
        keepOwn(undefined);
        this.keep.checked = false;
        this.lines.value = "";
        this.exported = [];
        this.file.value = "";
        this.results.replaceChildren();
        show("[data-forget]", false);
        this.say("forgotten");
        this.lines.focus();
      });
    }
    const own = readOwn();
    if (own) {
      this.lines.value = own.lines.join("\n");
      this.keep.checked = true;
      show("[data-forget]", true);
    }
    await this.load();
    if (own && this.matcher && own.lines.length > 0) this.compare();
  }

  /** Gets the list. Nothing else is ever asked for. */
  private async load(): Promise<void> {
    const status = one("[data-list]")!;
    try {
      const { base, keys } = { base: `${location.origin}/`, keys: (this.form.dataset.ledgerKeys ?? "").split(/\s+/).filter((k) => k !== "") };
      const around = { base, pageKeys: keys, fetch: (...a: Parameters<typeof fetch>) => fetch(...a), now: () => Date.now(), sleep: () => Promise.resolve() };
      const began = performance.now();
      const { known, kept } = await fetchList(around, parsePins(stored(), location.host), readList());
      keepList(kept);
      this.matcher = new Matcher(known.items);
      performance.measure("list", { start: began });
      refill(status, of(known));
      status.dataset.state = "ready";
      this.button.disabled = false;
    } catch (e) {
      status.dataset.state = "failed";
      status.replaceChildren(failureElement(e instanceof Failure ? e.code : "server", {}));
    }
    status.hidden = false;
  }

  private drops(): void {
    const hover = (over: boolean) => {
      for (const e of all("[data-drop]")) {
        if (over) e.dataset.over = "";
        else delete e.dataset.over;
      }
    };
    addEventListener("dragover", (event) => {
      event.preventDefault();
      hover(true);
    });
    addEventListener("dragleave", (event) => event.relatedTarget === null && hover(false));
    addEventListener("drop", (event) => {
      event.preventDefault();
      hover(false);
      void this.take(event.dataTransfer?.files);
    });
  }

  private async take(files: FileList | null | undefined): Promise<void> {
    const file = files?.[0];
    if (!file) return;
    try {
      if (file.size > MAX_FILE) throw new ExportError("too-long");
      this.exported = readExport(await file.text());
      this.say("read", { entries: this.exported.length, dated: this.exported.filter((l) => l.changed !== undefined).length });
      this.compare();
    } catch (e) {
      this.exported = [];
      this.say(e instanceof ExportError ? e.reason : "unknown-form");
    }
  }

  /** Says something at the form: what was read, or why a file was not. */
  private say(what: string, names: Names = {}): void {
    const place = one("[data-said]")!;
    place.replaceChildren(fromTemplate(`[data-say="${what}"]`, names) ?? "");
  }

  private compare(): void {
    if (!this.matcher) return;
    const lines = [...new Set(this.lines.value.split("\n").map((l) => l.trim()).filter((l) => l !== ""))];
    if (lines.length > MAX_LINES) return this.say("too-many");
    if (lines.length + this.exported.length === 0) return this.say("nothing");
    const began = performance.now();
    const matches = this.matcher.match([...lines.map(typed), ...this.exported]);
    performance.measure("match", { start: began });
    const before = new Set(readOwn()?.seen);
    const first = readOwn() === undefined;
    if (this.keep.checked) {
      keepOwn({ lines, seen: matches.map((m) => m.item.id) });
      show("[data-forget]", true);
    }
    this.put(matches, lines.length + this.exported.length, (m) => !first && !before.has(m.item.id));
  }

  private put(matches: Match[], used: number, isNew: (m: Match) => boolean): void {
    const of = (m: Match) => this.names(m, isNew(m));
    const sure = matches.filter((m) => m.grade === "service");
    const urgent = sure.filter((m) => m.password && m.since !== "yes");
    const other = sure.filter((m) => !urgent.includes(m));
    const rest = (grade: string) => matches.filter((m) => m.grade === grade).map(of);
    const classes = [...new Set(sure.flatMap((m) => m.item.classes))];
    const e = fromTemplate("[data-found]", {
      used, found: sure.length, urgent: urgent.map(of), other: other.map(of), organisation: rest("organisation"), perhaps: rest("perhaps"), unrelated: rest("unrelated"),
      fresh: matches.filter(isNew).length, exposed: classes.map((c) => ({ class: c })), all: this.matcher!.items.length,
    });
    if (!e) return;
    e.dataset.shown = sure.length > 0 ? "found" : "none";
    this.results.replaceChildren(e);
    ticks(e);
    onClick(e, "[data-feeds]", () => feeds(matches.filter((m) => m.grade !== "unrelated").map((m) => m.item)));
    onClick(e, "[data-print]", () => print());
    focusOn(e);
  }

  private names({ item, since, logins, password }: Match, fresh: boolean): Names {
    const [ja = "", en = ""] = item.names;
    const shown = logins.slice(0, 3).map((l) => ({ login: l.label }));
    return {
      id: item.id, name: (lang() === "ja" || en === "" ? ja : en) || item.domains[0]!, began: moment(item.since), disclosed: moment(item.disclosed), after: since, password, fresh,
      classes: item.classes.map((c) => ({ class: c })), logins: shown, more: logins.length - shown.length,
    };
  }
}

const of = (k: Known): Names => ({ incidents: k.items.length, time: k.time, kilobytes: Math.ceil(k.bytes / 1000), origin: k.origin, index: k.index, pinned: k.pinned });

function stored(): string | null {
  try {
    return localStorage.getItem(PINS);
  } catch {
    return null;
  }
}
