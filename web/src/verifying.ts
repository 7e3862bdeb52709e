// The page that verifies a saved answer. The file never leaves the device.

import { all, failureElement, focusOn, one, onClick, ProgressView } from "./desk.ts";
import { fromTemplate } from "./fill.ts";
import type { FromWorker } from "./messages.ts";
import type { Office } from "./office.ts";

const MAX_FILE = 64 << 20; // bytes, as parseAnswer has it

export function prepareVerification(form: HTMLFormElement, office: Office): void {
  const input = form.querySelector<HTMLInputElement>("[data-file]")!;
  const answers = one("[data-answers]")!;
  const progress = new ProgressView();
  let forget: (() => void) | undefined;

  const put = (e: HTMLElement, file: File) => {
    progress.end();
    answers.replaceChildren(e);
    onClick(e, "[data-print]", () => print());
    onClick(e, "[data-retry]", () => void verify(file));
    onClick(e, "[data-again]", () => {
      answers.replaceChildren();
      input.value = "";
      input.focus();
    });
    focusOn(e);
  };

  const verify = async (file: File) => {
    forget?.();
    answers.replaceChildren();
    progress.begin();
    progress.next(0, 1);
    progress.step("reading");
    try {
      if (file.size > MAX_FILE) throw new Error("too long");
      const bytes = await file.arrayBuffer();
      forget = office.ask({ ask: "verify", file: bytes }, (m: FromWorker) => {
        if ("verifying" in m) progress.step(m.verifying);
        else if ("proven" in m) {
          const e = fromTemplate(`[data-proven="${m.proven}"]`, m.names) ?? failureElement("other", {});
          e.dataset.shown = m.proven;
          put(e, file);
        }
        else if ("failure" in m) put(failureElement(m.failure, m.names), file);
      }, [bytes]);
    } catch {
      put(failureElement("answer", {}), file);
    }
  };

  const take = (files: FileList | null | undefined) => {
    if (files?.[0]) void verify(files[0]);
  };
  input.addEventListener("change", () => take(input.files));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take(input.files);
  });
  acceptDrops(take);
}

/** Takes a file dropped anywhere on the page: a near miss must not make the browser open it. */
function acceptDrops(take: (files: FileList | undefined) => void): void {
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
    take(event.dataTransfer?.files);
  });
}
