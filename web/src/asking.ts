// The check box: one address or several, the answers, and what can be done with them.

import { all, failureElement, focusOn, one, onClick, ProgressView, show } from "./desk.ts";
import { fromTemplate, refill } from "./fill.ts";
import type { FromWorker, Names } from "./messages.ts";
import type { Office } from "./office.ts";
import { ticks } from "./ticks.ts";

const MOST = 16; // addresses at once

export function prepareCheck(form: HTMLFormElement, office: Office): void {
  new Asking(form, office).prepare();
}

class Asking {
  private readonly progress = new ProgressView();
  private readonly answers = one("[data-answers]")!;
  private readonly single: HTMLInputElement;
  private readonly several: HTMLTextAreaElement | null;
  private forget: (() => void) | undefined;

  constructor(private readonly form: HTMLFormElement, private readonly office: Office) {
    this.single = form.querySelector<HTMLInputElement>("[data-address]")!;
    this.several = form.querySelector<HTMLTextAreaElement>("[data-addresses]");
  }

  prepare(): void {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    for (const e of all("[data-abort]")) {
      e.addEventListener("click", () => {
        this.cancel();
        this.single.focus();
      });
    }
    for (const e of all("[data-fill]")) {
      e.addEventListener("click", () => {
        this.single.value = e.dataset.fill!;
        this.submitButton()?.focus();
      });
    }
    const kinds = this.form.querySelector<HTMLSelectElement>("[data-kinds]");
    if (kinds) {
      kinds.addEventListener("change", () => this.choose(kinds));
      this.choose(kinds); // what the browser kept from before
    }
    this.inputError();
    const button = this.submitButton();
    if (button) button.disabled = false;
    // Whoever turns to the box will want the worker; whoever only reads the page need not load it.
    const warm = () => this.office.ask({ ask: "warm" }, () => {})();
    this.form.addEventListener("focusin", warm, { once: true });
  }

  /** Turns the box to another kind: its words, its keyboard, and what the browser may fill in. */
  private choose(kinds: HTMLSelectElement): void {
    const chosen = kinds.selectedOptions[0];
    const kind = chosen?.value ?? "email";
    this.form.dataset.kind = kind;
    this.form.dataset.organisation = chosen?.dataset.organisation ?? "";
    for (const e of all("[data-of]", this.form)) e.hidden = !e.dataset.of!.split(" ").includes(kind);
    this.single.inputMode = kind === "phone" ? "tel" : kind === "email" ? "email" : "text";
    this.single.autocomplete = kind === "phone" ? "tel" : kind === "email" ? "email" : "off";
    this.inputError();
  }

  private readonly submitButton = () => this.form.querySelector<HTMLButtonElement>("[data-submit], button:not([type=button])");

  private submit(): void {
    const lines = (this.several?.value ?? "").split("\n").map((line, i) => ({ text: line.trim(), line: i + 1 })).filter((l) => l.text !== "");
    this.inputError();
    if (lines.length > MOST) this.inputError("too-many");
    else if (lines.length > 0) this.ask(lines.map((l) => l.text), { lines: lines.map((l) => l.line) });
    else if (this.single.value.trim() === "") this.inputError((this.form.dataset.kind ?? "email") === "email" ? "empty" : "empty-number");
    else this.ask([this.single.value]);
  }

  /** Says why something is no address, at the field where it stands; without a reason, takes it back. */
  private inputError(code?: string, line?: number): void {
    const kinds = this.form.querySelector("[data-kinds]") !== null;
    const reason = code === "no-at-sign" && kinds ? "no-at-sign-here" : code; // another kind may be meant
    const field = line !== undefined || reason === "too-many" ? this.several! : this.single;
    const message = one("[data-input-error]");
    for (const e of [this.single, this.several]) {
      e?.removeAttribute("aria-invalid");
      e?.removeAttribute("aria-describedby");
    }
    if (message) message.hidden = reason === undefined;
    if (reason === undefined) return;
    if (message) {
      refill(message, { reason, ...(line !== undefined && { line }) });
      field.setAttribute("aria-describedby", message.id);
    }
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }

  /** Asks about texts. The answers replace what is shown; a retried or added one takes its place. */
  private ask(texts: string[], { lines, instead }: { lines?: number[]; instead?: HTMLElement } = {}): void {
    if (this.forget) this.cancel();
    this.progress.begin();
    if (!instead) this.answers.replaceChildren();
    const { kind = "email", organisation = "" } = this.form.dataset;
    const audit = this.form.querySelector<HTMLInputElement>("[data-audit]")?.checked ?? false;
    const place = document.createComment("");
    if (instead) instead.replaceWith(place);
    else this.answers.append(place);
    let total = texts.length;
    let first: HTMLElement | undefined;
    for (const e of all("[data-summarised]", this.answers)) e.remove();
    const put = (e: HTMLElement) => {
      place.before(e);
      first ??= e;
    };
    const finish = () => {
      place.remove();
      this.forget?.();
      this.forget = undefined;
      this.progress.end();
      const summary = this.summary();
      focusOn(instead ? first : (summary ?? first));
    };
    const several = () => total > 1 || this.answers.childElementCount > 1;
    this.forget = this.office.ask({ ask: "check", texts, kind, organisation, audit }, (m: FromWorker) => {
      if ("refused" in m) {
        finish();
        this.inputError(m.refused.reason, lines?.[m.refused.index]);
      } else if ("asking" in m) {
        total = m.asking.length;
        this.progress.next(0, total);
      } else if ("progress" in m) {
        if ("step" in m.progress) {
          if (m.progress.step === "statement") this.progress.next(m.index, total);
          this.progress.step(m.progress.step);
        } else this.progress.waiting(m.progress.waiting);
      } else if ("display" in m) {
        const typed = texts[m.index]!.trim();
        put(this.answer(m.display, { ...m.names, several: several(), ...(total === texts.length && typed !== m.names.address && { input: typed }) }, m.file));
      } else if ("failure" in m) {
        const again = typeof m.names.address === "string" ? [m.names.address] : texts;
        put(this.failure(m.failure, { ...m.names, several: several() }, again, m.evidence));
        if (m.names.address === undefined) finish(); // there was no worker to say that it is done
      } else if ("done" in m) finish();
    });
  }

  /** Puts what several answers come to above them, and gives it. */
  private summary(): HTMLElement | undefined {
    const shown = all("[data-shown], [data-failed]", this.answers);
    if (shown.length < 2) return undefined;
    const results = shown.map((e, i) => {
      e.id = `answer-${i + 1}`;
      return { nth: i + 1, address: e.querySelector(".who")?.textContent ?? "", display: e.dataset.shown ?? "failed" };
    });
    const count = (...displays: string[]) => results.filter((r) => displays.includes(r.display)).length;
    const names = { total: shown.length, affected: count("affected"), dropped: count("dropped"), clear: count("not-in-scope"), results };
    const unsure = names.total - names.affected - names.dropped - names.clear;
    const asOf = shown.map((a) => a.dataset.asOf ?? "").filter((t) => t !== "").sort()[0] ?? "";
    const e = fromTemplate("[data-summary]", { ...names, unsure, asOf, checked: Number(shown.find((a) => a.dataset.shown === "not-in-scope")?.dataset.checked ?? 0) });
    if (!e) return undefined;
    e.dataset.summarised = "";
    e.classList.add(names.affected > 0 ? "hit" : names.clear < names.total ? "open" : "clear");
    this.answers.prepend(e);
    return e;
  }

  private answer(display: string, names: Names, file: string): HTMLElement {
    const e = fromTemplate(`[data-answer="${display}"]`, names) ?? failureElement("other", names);
    e.dataset.shown = display;
    e.dataset.checked = String(names.checked);
    e.dataset.asOf = String(names.asOf);
    ticks(e);
    onClick(e, "[data-save]", () => save(file, "answer", String(names.claimed), this.numberOf(e)));
    onClick(e, "[data-print]", () => print());
    onClick(e, "[data-again]", () => this.again());
    onClick(e, "[data-variants]", () => this.addVariants(e, names.variants as Names[]));
    return e;
  }

  private failure(code: string, names: Names, texts: string[], evidence = ""): HTMLElement {
    const e = failureElement(code, names);
    onClick(e, "[data-evidence]", () => save(evidence, "evidence", new Date().toISOString(), this.numberOf(e)));
    onClick(e, "[data-retry]", () => this.ask(texts, { instead: e }));
    onClick(e, "[data-again]", () => this.again());
    return e;
  }

  /** Gives the number of an answer among several, 0 where it is the only one. */
  private numberOf(answer: HTMLElement): number {
    const shown = all("[data-shown], [data-failed]", this.answers);
    return shown.length > 1 ? shown.indexOf(answer) + 1 : 0;
  }

  /** Checks the offered forms of an address that are ticked, and adds their answers below. */
  private addVariants(answer: HTMLElement, offered: Names[]): void {
    const boxes = [...answer.querySelectorAll<HTMLInputElement>("input[data-variant]")];
    const texts = offered.map((v) => String(v.variant)).filter((_, i) => boxes[i]?.checked ?? true);
    if (texts.length === 0) return;
    const below = document.createElement("div");
    answer.after(below);
    this.ask(texts, { instead: below });
  }

  private cancel(): void {
    this.forget?.();
    this.forget = undefined;
    this.office.ask({ ask: "stop" }, () => {})();
    this.progress.end();
  }

  private again(): void {
    this.answers.replaceChildren();
    this.single.value = "";
    if (this.several) this.several.value = "";
    show("[data-input-error]", false);
    this.single.focus();
  }
}

/** Offers a file for saving. Its name holds a date, its number among several, and no identifier. */
function save(file: string, what: string, at: string, number: number): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([file], { type: "application/json" }));
  link.download = `shirase-${what}-${at.slice(0, 10).replaceAll("-", "")}${number > 0 ? `-${number}` : ""}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
