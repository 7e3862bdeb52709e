// The page's side of the worker, and what the browser remembers of ledgers.

import { lang } from "./fill.ts";
import type { FromWorker, Settings, ToWorker } from "./messages.ts";

const PINS = "shirase.ledgers";

type Question = ToWorker extends infer T ? (T extends unknown ? Omit<T, "id" | "settings"> : never) : never;

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
    if ("pins" in message) store(message.pins);
    else this.asked.get(message.id)?.(message);
  }
}

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
