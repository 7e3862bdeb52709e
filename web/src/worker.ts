// The worker: all that computes or asks. Its bigint arithmetic would stop the
// page from scrolling for some ten milliseconds at a time.

import { encodeAnswer } from "./answer.ts";
import { Client } from "./client.ts";
import { Failure } from "./failure.ts";
import type { Options } from "./fetching.ts";
import { type Identity, newAccount, parseEmail, parsePhone, typed } from "./identity.ts";
import type { FromWorker, Settings, ToWorker } from "./messages.ts";
import { display, namesOf } from "./names.ts";
import { encodePins, parsePins, type Pins } from "./pins.ts";
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
    case "stop": stopped.abort();
  }
}

/** Gives the client with what is pinned now: another tab may have pinned more. */
function clientFor(settings: Settings): Client {
  client ??= new Client({ base: settings.base, pageKeys: settings.keys, fetch: (...a) => fetch(...a), now: Date.now, sleep }, parsePins(null));
  client.pins = parsePins(settings.pins, new URL(settings.base).host);
  return client;
}

async function warm({ id, settings }: ToWorker): Promise<void> {
  const c = clientFor(settings);
  const ahead = c.prefetch();
  warmUp();
  await ahead;
  remember(id, c.pins);
}

const remember = (id: number, pins: Pins): void => {
  if (pins.current !== "") page.postMessage({ id, pins: encodePins(pins) });
};

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
  remember(id, c.pins);
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
