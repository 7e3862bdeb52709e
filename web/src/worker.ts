// The worker: all that computes or asks. Its bigint arithmetic would stop the
// page from scrolling for some ten milliseconds at a time.

import { encodeAnswer } from "./answer.ts";
import { Client } from "./client.ts";
import { Failure } from "./failure.ts";
import type { Options, Surroundings } from "./fetching.ts";
import { type Identity, newAccount, parseEmail, parsePhone, typed } from "./identity.ts";
import type { FromWorker, Settings, ToWorker } from "./messages.ts";
import { display, namesOf } from "./names.ts";
import { parsePins } from "./pins.ts";
import { fault, verifySaved } from "./verify.ts";
import { warmUp } from "./voprf.ts";

const page = self as unknown as { postMessage(message: FromWorker): void };

let client: Client | undefined;
let stopped = new AbortController();

self.addEventListener("message", (event: MessageEvent<ToWorker>) => {
  void answer(event.data);
});

async function answer(message: ToWorker): Promise<void> {
  switch (message.ask) {
    case "warm": return warm(message);
    case "check": return check(message);
    case "verify": return verify(message);
    case "stop": return stopped.abort();
    case "kept": {
      keeping.get(message.id)?.(message.other);
      keeping.delete(message.id);
    }
  }
}

const keeping = new Map<number, (other: { now: string | null } | undefined) => void>();
let kept = 0;

/** Has the page keep pins: a worker has no storage of that kind. */
const keep: NonNullable<Surroundings["keep"]> = (before, after) => new Promise((resolve) => {
  keeping.set(++kept, resolve);
  page.postMessage({ id: kept, keep: after, before });
});

/** Gives the client with what is pinned now: another tab may have pinned more. */
function clientFor(settings: Settings): Client {
  client ??= new Client({ base: settings.base, pageKeys: settings.keys, fetch: (...a) => fetch(...a), now: Date.now, sleep, keep }, parsePins(null));
  client.pins = parsePins(settings.pins, new URL(settings.base).host);
  return client;
}

async function warm({ settings }: ToWorker): Promise<void> {
  const ahead = clientFor(settings).prefetch();
  warmUp();
  await ahead;
}

async function check({ id, settings, texts, kind, organisation, audit }: ToWorker & { ask: "check" }): Promise<void> {
  const identities: Identity[] = [];
  for (const [index, text] of texts.entries()) {
    try {
      const one = parse(text, kind, organisation, settings.region);
      if (!identities.some((i) => i.value === one.value)) identities.push(one);
    } catch (e) {
      return page.postMessage({ id, refused: { index, reason: (e instanceof Failure && e.reason) || "empty" } });
    }
  }
  stopped = new AbortController();
  const { signal } = stopped;
  page.postMessage({ id, asking: identities.map((i) => i.value) });
  const c = clientFor(settings);
  for (const [index, identity] of identities.entries()) {
    if (signal.aborted) break;
    const options: Options = { audit, signal, tell: (progress) => page.postMessage({ id, index, progress }) };
    try {
      const { answer, known } = await c.check(identity, options);
      const names = namesOf(answer, known, settings.lang);
      page.postMessage({ id, index, display: display(answer), names, file: encodeAnswer(answer) });
    } catch (e) {
      const evidence = e instanceof Failure ? e.evidence : undefined;
      page.postMessage({ id, index, failure: code(e), names: { address: identity.value, evidence: evidence !== undefined }, ...(evidence !== undefined && { evidence }) });
    }
  }
  page.postMessage({ id, done: true });
}

function parse(text: string, kind: string, organisation: string, region: string): Identity {
  if (kind === "phone") return parsePhone(typed("phone", text), region);
  if (kind === "account") return newAccount(organisation, text);
  return parseEmail(typed("email", text));
}

function verify({ id, settings, file }: ToWorker & { ask: "verify" }): void {
  try {
    const pins = parsePins(settings.pins, new URL(settings.base).host);
    const verified = verifySaved(new Uint8Array(file), pins, settings.keys, (step) => page.postMessage({ id, verifying: step }));
    page.postMessage({ id, proven: display(verified.answer), names: namesOf(verified.answer, verified, settings.lang) });
  } catch (e) {
    page.postMessage({ id, index: 0, failure: code(e), names: e instanceof Failure && fault(e) === "altered" ? { words: "altered" } : {} });
  }
}

/** A failure that has no name would be a defect: of the server's protocol, as far as anyone can tell. */
const code = (e: unknown) => (e instanceof Failure ? e.code : "server");

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new Failure("network", "stopped"));
    });
  });
}
