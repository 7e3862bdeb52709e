// An export is sent in pieces, each with its SHA-256, so that it can be interrupted and goes on where it was: in this tab or another, by
// whoever has the same file. What the server has already is compared with the file before anything is added to it.

interface Arrival {
  arrival: string;
  name: string;
  size: number;
  received: number;
  pieces: string[];
}

/** Sends posts a form below the upload's address, and gives the JSON of the answer. */
type Sends = (path: string, form: Record<string, string>) => Promise<Record<string, unknown>>;

/** Refused is made of what the server says that a person should read. */
type Refused = new (message: string) => Error;

const tries = 6;

async function sum(part: ArrayBuffer): Promise<string> {
  return [...new Uint8Array(await crypto.subtle.digest("SHA-256", part))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

const wait = (ms: number, stopped: AbortSignal): Promise<void> =>
  new Promise((done) => {
    const end = (): void => done();
    setTimeout(end, ms);
    stopped.addEventListener("abort", end, { once: true });
  });

/** same says whether what has come is the beginning of a file. */
async function same(file: File, a: Arrival, piece: number): Promise<boolean> {
  for (const [i, hash] of a.pieces.entries()) if ((await sum(await file.slice(i * piece, Math.min((i + 1) * piece, file.size)).arrayBuffer())) !== hash) return false;
  return true;
}

/** upload gives a form with a file its behaviour. run does what a button does, and tells what went wrong. */
export function upload(form: HTMLFormElement, post: Sends, Refusal: Refused, run: (button: HTMLButtonElement | null, act: () => Promise<void>) => Promise<void>, goes: (to: unknown) => void): void {
  const at = form.dataset["upload"] ?? "";
  const [path = "", query = ""] = at.split("?");
  const bar = form.querySelector("progress");
  const said = form.querySelector<HTMLElement>("[data-said]");
  const stop = form.querySelector<HTMLButtonElement>("[data-stop]");
  const input = form.querySelector<HTMLInputElement>("input[type=file]");
  if (bar === null || said === null || stop === null || input === null) return;
  const show = (done: number, all: number): void => {
    bar.hidden = false;
    bar.max = all;
    bar.value = done;
    const text = `${Math.floor((done * 100) / all)}%`;
    if (said.textContent !== text) said.textContent = text;
  };
  const send = async (file: File, arrival: string, from: number, piece: number, signal: AbortSignal): Promise<void> => {
    let failed = 0;
    for (let here = from; here < file.size; ) {
      const part = await file.slice(here, Math.min(here + piece, file.size)).arrayBuffer();
      try {
        const answer = await fetch(`${path}/piece${query === "" ? "" : `?${query}`}`, {
          method: "POST",
          body: part,
          signal,
          headers: { Accept: "application/json", "Content-Type": "application/octet-stream", "Shirase-Arrival": arrival, "Shirase-At": String(here), "Shirase-SHA256": await sum(part) },
        });
        const data = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
        if (!answer.ok && answer.status < 500 && answer.status !== 409) throw new Refusal(String(data["say"] ?? answer.status));
        if (answer.status === 507) throw new Refusal(String(data["say"] ?? answer.status));
        if (!answer.ok) throw new Error(String(answer.status));
        here = Number(data["received"]);
        failed = 0;
        show(here, file.size);
      } catch (err) {
        if (err instanceof Refusal || signal.aborted || ++failed >= tries) throw err;
        await wait(500 * 2 ** failed, signal); // the line, or the server, may come back
        const now = ((await post(`${path}/state`, {}).catch(() => ({}))) as { arrivals?: Arrival[] }).arrivals?.find((a) => a.arrival === arrival);
        if (now !== undefined) here = now.received;
      }
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = input.files?.[0];
    if (file === undefined) return;
    const stopper = new AbortController();
    stop.onclick = (): void => stopper.abort();
    stop.hidden = false;
    void run(form.querySelector("button"), async () => {
      try {
        const state = await post(`${path}/state`, {});
        const piece = Number(state["piece"]);
        let a = (state["arrivals"] as Arrival[]).find((each) => each.name === file.name && each.size === file.size);
        if (a !== undefined) {
          said.textContent = said.dataset["checking"] ?? "";
          if (!(await same(file, a, piece))) throw new Refusal(said.dataset["other"] ?? "");
        } else {
          const source = new FormData(form).get("source");
          const begun = await post(`${path}/begin`, { name: file.name, size: String(file.size), source: typeof source === "string" ? source : "" });
          a = { arrival: String(begun["arrival"]), name: file.name, size: file.size, received: 0, pieces: [] };
        }
        show(a.received, file.size);
        await send(file, a.arrival, a.received, piece, stopper.signal);
        goes((await post(`${path}/finish`, { arrival: a.arrival }))["to"]);
      } catch (err) {
        said.textContent = "";
        if (!stopper.signal.aborted) throw err;
        said.textContent = said.dataset["stopped"] ?? "";
      } finally {
        stop.hidden = true;
      }
    });
  });
}
