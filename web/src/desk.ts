// What the check and the verification share on the page: progress in words, and
// the place where answers appear.

import { fromTemplate, refill } from "./fill.ts";
import type { Names } from "./messages.ts";

const SLOW = 8_000; // milliseconds until the page says that it is slow

export const all = (selector: string, within: ParentNode = document): HTMLElement[] => [...within.querySelectorAll<HTMLElement>(selector)];

export const one = (selector: string): HTMLElement | null => document.querySelector<HTMLElement>(selector);

export function show(selector: string, shown: boolean): void {
  for (const e of all(selector)) e.hidden = !shown;
}

/** Shows which step is being done. */
export class ProgressView {
  private readonly steps = all("[data-progress] [data-step]");
  private readonly bar = document.querySelector<HTMLProgressElement>("[data-progress] progress[data-bar]");
  private slow: ReturnType<typeof setTimeout> | undefined;
  private countdown: ReturnType<typeof setInterval> | undefined;
  private current = -1;

  begin(): void {
    this.end();
    show("[data-progress]", true);
    this.slow = setTimeout(() => show("[data-slow]", true), SLOW);
  }

  /** Begins with one of several addresses. */
  next(index: number, total: number): void {
    this.current = -1;
    this.mark();
    if (this.bar) {
      this.bar.max = total * this.steps.length;
      this.bar.value = index * this.steps.length;
    }
    for (const e of all("[data-several]")) {
      e.hidden = total < 2;
      if (total > 1) refill(e, { current: index + 1, total });
    }
  }

  /** Goes on to a step, and never back: things done side by side tell in any order. */
  step(name: string): void {
    const to = this.steps.findIndex((e) => e.dataset.step === name);
    if (to <= this.current) return;
    if (this.bar) this.bar.value += to - Math.max(0, this.current);
    this.current = to;
    this.mark();
  }

  /** Counts the seconds down that the server asked to wait; 0: it is over. */
  waiting(seconds: number): void {
    clearInterval(this.countdown);
    show("[data-waiting]", seconds > 0);
    if (seconds <= 0) return;
    let left = seconds;
    const tell = () => {
      for (const e of all("[data-waiting]")) refill(e, { seconds: left });
      for (const e of all("[data-waiting] [data-slot=seconds]")) e.setAttribute("aria-live", "off"); // not every second is read out
    };
    tell();
    this.countdown = setInterval(() => --left >= 0 && tell(), 1000);
  }

  end(): void {
    clearTimeout(this.slow);
    this.waiting(0);
    show("[data-progress], [data-slow], [data-several]", false);
    this.current = -1;
    this.mark();
  }

  private mark(): void {
    this.steps.forEach((e, i) => {
      if (i > this.current) delete e.dataset.state;
      else e.dataset.state = i < this.current ? "done" : "doing";
      if (i === this.current) e.setAttribute("aria-current", "step");
      else e.removeAttribute("aria-current");
    });
  }
}

/** Makes the page's words for a failure: those that it asks for, or where nothing is connected, those for that. */
export function failureElement(failure: string, names: Names): HTMLElement {
  const code = failure === "network" && !navigator.onLine ? "offline" : failure;
  const filled = [names.words ?? code, code, failure, "other"].map((c) => fromTemplate(`[data-error="${c}"]`, { ...names, code })).find((e) => e);
  const e = filled ?? Object.assign(document.createElement("p"), { textContent: code });
  e.dataset.failed = code;
  return e;
}

/** Moves the reader to an answer, so that it is read out and keys go on from there. */
export function focusOn(answer: Element | null | undefined): void {
  const heading = answer?.querySelector<HTMLElement>("[data-focus], h1, h2, h3") ?? (answer as HTMLElement | null);
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus();
}

/** Calls f when something matching is clicked within an element. */
export function onClick(within: Element, selector: string, f: () => void): void {
  for (const e of all(selector, within)) e.addEventListener("click", f);
}
