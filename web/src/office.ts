// The page's side of the worker, and what the browser remembers of ledgers.

import { lang } from "./fill.ts";
import { type FromWorker, PINS, type Settings, type ToWorker } from "./messages.ts";

type Question = Exclude<ToWorker, { ask: "kept" }> extends infer T ? (T extends unknown ? Omit<T, "id" | "settings"> : never) : never;

/** Sends questions to the worker and hands its answers to whoever asked. */
export class Office {
  private worker: Promise<Worker> | undefined;
  private readonly asked = new Map<number, (message: FromWorker) => void>();
  private ids = 0;

  /** Asks, and gives a function that forgets the question. A worker that cannot be had is a failed network. */
  ask(question: Question, hear: (message: FromWorker) => void, transfer: Transferable[] = []): () => void {
    const id = ++this.ids;
    this.asked.set(id, hear);
    this.worker ??= this.start();
    this.worker.then(
      (worker) => worker.postMessage({ ...question, id, settings: settings() }, transfer),
      () => hear({ id, index: 0, failure: "network", names: {} }),
    );
    return () => this.asked.delete(id);
  }

  private async start(): Promise<Worker> {
    try {
      const { worker: url = "", workerIntegrity: integrity } = configuration();
      // A worker has no integrity attribute; its URL names the bytes, so that the cache gives them again.
      if (integrity) await fetch(url, { integrity });
      const worker = new Worker(url);
      worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.hear(data));
      worker.addEventListener("error", () => {
        this.worker = undefined;
        for (const [id, hear] of this.asked) hear({ id, index: 0, failure: "network", names: {} });
      });
      return worker;
    } catch (e) {
      this.worker = undefined;
      throw e;
    }
  }

  private hear(message: FromWorker): void {
    if ("keep" in message) void this.keep(message);
    else this.asked.get(message.id)?.(message);
  }

  /** Stores pins in the place of those that they go on from; where others are there by now, the worker is told. */
  private async keep({ id, keep, before }: Extract<FromWorker, { keep: string }>): Promise<void> {
    const other = await alone(() => {
      const now = stored();
      if (now !== before) return { now };
      store(keep);
      return undefined;
    });
    (await this.worker)?.postMessage({ ask: "kept", id, other, settings: settings() } satisfies ToWorker);
  }
}

/** Runs something that no other tab does at the same time, where the browser has a way to say so. */
const alone = async <T>(run: () => T): Promise<T> => ("locks" in navigator ? navigator.locks.request(PINS, run) : run());

/** Gives the data-* of the element that configures the page. */
const configuration = (): DOMStringMap => document.querySelector<HTMLElement>("[data-worker]")?.dataset ?? {};

function settings(): Settings {
  const { ledgerKeys = "", phoneRegion = "" } = configuration();
  return {
    base: `${location.origin}/`,
    keys: ledgerKeys.split(/\s+/).filter((k) => k !== ""),
    region: phoneRegion,
    lang: lang(),
    pins: stored(),
  };
}

// A browser may forbid storage altogether: then nothing is remembered.

function stored(): string | null {
  try {
    return localStorage.getItem(PINS);
  } catch {
    return null;
  }
}

function store(pins: string): void {
  try {
    localStorage.setItem(PINS, pins);
  } catch {
    // It is asked again next time.
  }
}
