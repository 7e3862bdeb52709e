// The console's program: passkeys, keys of the keyboard, drafts, and pages that follow what others do. Everything else the
// server renders, and works without it; signing in and confirming cannot, because only a browser can ask for a passkey.

import { upload } from "./upload.ts";

interface Choice {
  text: string;
  href: string;
}

const root = document.documentElement;
const words = (name: string): string => root.querySelector<HTMLTemplateElement>("#words")?.content.querySelector(`[data-word="${name}"]`)?.textContent ?? name;

/** tell shows what went wrong, or right, where a reader of screens hears it. */
function tell(text: string, good = false): void {
  const at = document.querySelector<HTMLElement>("#said");
  if (at === null) return;
  at.textContent = text;
  at.hidden = text === "";
  at.className = good ? "said" : "refused";
  if (text !== "" && !good) at.scrollIntoView({ block: "nearest" });
}

// Bytes travel as base64url without padding (RFC 4648 section 5), as WebAuthn's JSON forms have them.
function bytes(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  let plain = "";
  for (const b of new Uint8Array(buffer)) plain += String.fromCharCode(b);
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

interface Descriptor {
  id: string;
  type: "public-key";
  transports?: AuthenticatorTransport[];
}

interface Asked {
  challenge: string;
  rpId?: string;
  timeout?: number;
  userVerification?: UserVerificationRequirement;
  allowCredentials?: Descriptor[];
}

interface Wanted {
  challenge: string;
  rp: PublicKeyCredentialRpEntity;
  user: { id: string; name: string; displayName: string };
  pubKeyCredParams: PublicKeyCredentialParameters[];
  timeout?: number;
  excludeCredentials?: Descriptor[];
  authenticatorSelection?: AuthenticatorSelectionCriteria;
  attestation?: AttestationConveyancePreference;
}

const described = (list: Descriptor[] | undefined): PublicKeyCredentialDescriptor[] => (list ?? []).map((d) => ({ ...d, id: bytes(d.id) }));

/** use asks for a passkey that is there (WebAuthn level 3, section 5.1.4), and gives the answer as JSON. */
async function use(options: Asked): Promise<string> {
  const got = await navigator.credentials.get({ publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: described(options.allowCredentials) } });
  if (!(got instanceof PublicKeyCredential)) throw new Error("none");
  const a = got.response as AuthenticatorAssertionResponse;
  return JSON.stringify({
    id: got.id,
    rawId: text(got.rawId),
    type: got.type,
    clientExtensionResults: {},
    response: {
      clientDataJSON: text(a.clientDataJSON),
      authenticatorData: text(a.authenticatorData),
      signature: text(a.signature),
      ...(a.userHandle === null ? {} : { userHandle: text(a.userHandle) }),
    },
  });
}

/** make makes a passkey (WebAuthn level 3, section 5.1.3), and gives the answer as JSON. */
async function make(options: Wanted): Promise<string> {
  const got = await navigator.credentials.create({
    publicKey: { ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) }, excludeCredentials: described(options.excludeCredentials) },
  });
  if (!(got instanceof PublicKeyCredential)) throw new Error("none");
  const a = got.response as AuthenticatorAttestationResponse;
  return JSON.stringify({
    id: got.id,
    rawId: text(got.rawId),
    type: got.type,
    clientExtensionResults: {},
    response: { clientDataJSON: text(a.clientDataJSON), attestationObject: text(a.attestationObject), transports: a.getTransports?.() ?? [] },
  });
}

/** Refused is what the server says that a person should read. */
class Refused extends Error {}

/** post sends a form, and gives the JSON of the answer. */
async function post(path: string, form: Record<string, string>): Promise<Record<string, unknown>> {
  const answer = await fetch(path + location.search, { method: "POST", body: new URLSearchParams(form), headers: { Accept: "application/json" } });
  const data: unknown = await answer.json().catch(() => ({}));
  const said = (typeof data === "object" && data !== null ? data : {}) as Record<string, unknown>;
  if (!answer.ok) throw new Refused(typeof said["say"] === "string" ? said["say"] : words("failed"));
  return said;
}

/** attempt runs what a button does, and tells what went wrong. */
async function attempt(button: HTMLButtonElement | null, run: () => Promise<void>): Promise<void> {
  tell("");
  if (button !== null) button.disabled = true;
  try {
    await run();
  } catch (err) {
    if (err instanceof Refused) tell(err.message);
    else if (err instanceof DOMException && err.name === "InvalidStateError") tell(words("there-already"));
    else if (err instanceof DOMException) tell(words("no-passkey"));
    else tell(words("failed"));
  } finally {
    if (button !== null) button.disabled = false;
  }
}

const goes = (to: unknown): void => location.assign(typeof to === "string" ? to : "/console/");

/** values are what a form holds. */
function values(form: HTMLFormElement): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of new FormData(form)) if (typeof value === "string") out[name] = value;
  return out;
}

const device = (): string => {
  const agent = navigator.userAgent;
  const system = /Android|iPhone|iPad|Windows|Macintosh|CrOS|Linux/.exec(agent)?.[0] ?? "";
  const browser = /Firefox|Edg|Chrome|Safari/.exec(agent)?.[0] ?? "";
  return [browser.replace("Edg", "Edge"), system.replace("Macintosh", "Mac")].filter((s) => s !== "").join(" · ") || "passkey";
};

function signIn(form: HTMLFormElement): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(form.querySelector("button"), async () => {
      const asked = await post("/console/sign-in/begin", {});
      const answer = await use(asked["options"] as Asked);
      goes((await post("/console/sign-in/finish", { answer, next: values(form)["next"] ?? "" }))["to"]);
    });
  });
}

function join(form: HTMLFormElement): void {
  // The token stands behind #: browsers send it to nobody, and a scanner that opens links uses nothing up.
  const token = location.hash.slice(1);
  const shown = document.querySelector<HTMLElement>("#invitation");
  const field = form.querySelector<HTMLInputElement>("input[name=token]");
  if (field === null || shown === null) return;
  if (token !== "") {
    field.value = token;
    history.replaceState(null, "", location.pathname + location.search);
  }
  const look = async (): Promise<void> => {
    const is = await post("/console/join/look", { token: field.value });
    shown.textContent = String(is["say"] ?? "");
    form.querySelector("[data-name]")?.toggleAttribute("hidden", is["named"] === true);
    form.querySelector("[data-leads]")?.toggleAttribute("hidden", is["first"] !== true);
    form.querySelector("[data-token]")?.toggleAttribute("hidden", true);
    const name = form.querySelector<HTMLInputElement>("input[name=name]");
    if (name !== null) name.required = is["named"] !== true;
  };
  if (field.value !== "") void attempt(null, look);
  else form.querySelector("[data-token]")?.removeAttribute("hidden");
  field.addEventListener("change", () => void attempt(null, look));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(form.querySelector("button"), async () => {
      const given = values(form);
      const asked = await post("/console/join/begin", { token: field.value, name: given["name"] ?? "" });
      const answer = await make(asked["options"] as Wanted);
      goes((await post("/console/join/finish", { ...given, token: field.value, answer, passkey_name: device() }))["to"]);
    });
  });
  document.querySelector<HTMLAnchorElement>("a[data-oidc]")?.addEventListener("click", (event) => {
    event.preventDefault();
    void attempt(null, async () => {
      goes((await post("/console/join/oidc", { token: field.value, ...values(form) }))["to"]);
    });
  });
}

/** confirmed asks for the passkey of whoever is signed in, for one act. */
async function confirmed(act: string): Promise<string> {
  const asked = await post("/console/confirm", { act });
  return use(asked["options"] as Asked);
}

function addPasskey(form: HTMLFormElement): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(form.querySelector("button"), async () => {
      const act = form.dataset["act"] ?? "";
      const passkey = act === "" ? "" : await confirmed(act);
      const asked = await post("/console/account/passkey/begin", {});
      const answer = await make(asked["options"] as Wanted);
      goes((await post("/console/account/passkey", { passkey, answer, name: values(form)["name"] || device() }))["to"]);
    });
  });
}

/** actOf is what a form's passkey confirms: data-confirm, and after it what is chosen in the fields that data-with names. */
function actOf(form: HTMLFormElement): string {
  const chosen = new FormData(form);
  const fields = (form.dataset["with"] ?? "").split(" ").filter((name) => name !== "");
  return [form.dataset["confirm"] ?? "", ...fields.map((name) => chosen.getAll(name).map(String).join(",").trim())].join(" ");
}

/** confirming has a form that cannot be undone ask for the passkey before it is sent. */
function confirming(form: HTMLFormElement): void {
  form.addEventListener("submit", (event) => {
    const field = form.querySelector<HTMLInputElement>("input[name=passkey]");
    if (field === null || field.value !== "") return;
    event.preventDefault();
    const button = event.submitter instanceof HTMLButtonElement ? event.submitter : form.querySelector("button");
    void attempt(button, async () => {
      field.value = await confirmed(actOf(form));
      if (button !== null) button.disabled = false;
      form.requestSubmit(button);
      setTimeout(() => (field.value = ""), 0); // an answer is good once
    });
  });
}

/** drafts keeps what is being written, so that a lost connection or a page that went loses nothing. */
function drafts(form: HTMLFormElement): void {
  const key = `draft ${form.dataset["draft"] ?? ""} ${location.pathname}`;
  const fields = (): (HTMLInputElement | HTMLTextAreaElement)[] =>
    [...form.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("input[type=text], input:not([type]), textarea")].filter((f) => f.name !== "" && f.type !== "hidden");
  const kept = sessionStorage.getItem(key);
  if (kept !== null) {
    const was = JSON.parse(kept) as Record<string, string>;
    for (const f of fields()) if (f.value === f.defaultValue && typeof was[f.name] === "string") f.value = was[f.name] ?? "";
  }
  form.addEventListener("input", () => sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(fields().map((f) => [f.name, f.value])))));
  form.addEventListener("submit", () => sessionStorage.setItem("sent", key));
}

/** sent forgets a draft once the page after it says that it was taken. */
function sent(): void {
  const key = sessionStorage.getItem("sent");
  sessionStorage.removeItem("sent");
  if (key !== null && document.querySelector("[data-refused]") === null) sessionStorage.removeItem(key);
}

/** busyIn says whether somebody works in a part of the page: writes, or has a form open. */
function busyIn(part: HTMLElement): boolean {
  const changed = [...part.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("input:not([type=hidden]), textarea")].some((f) => f.value !== f.defaultValue);
  return changed || part.querySelector("details.edit[open]") !== null || (part.contains(document.activeElement) && /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? ""));
}

/** live follows what others do: regions of the page are fetched anew, and what is being written stays. */
function live(path: string): void {
  const state = document.querySelector<HTMLElement>("#live");
  const source = new EventSource(path);
  let busy = false;
  let again = false;
  const renew = async (): Promise<void> => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(root.dataset["page"] ?? location.href, { headers: { Accept: "text/html", "Shirase-Follows": "1" } });
      if (!answer.ok || answer.redirected) {
        // It is not theirs any more, or is gone: nothing of it stays on a screen, but for what somebody is writing.
        const over = answer.redirected || [401, 403, 404, 409, 410].includes(answer.status);
        if (over && ![...document.querySelectorAll<HTMLElement>("[data-live]")].some(busyIn)) location.reload();
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll<HTMLElement>("[data-live]")) {
        const now = page.getElementById(old.id);
        if (now === null) continue;
        old.querySelector(":scope > .behind")?.remove();
        if (now.innerHTML === old.innerHTML) continue;
        if (busyIn(old)) {
          const behind = document.createElement("p");
          behind.className = "behind small";
          behind.textContent = words("behind");
          old.prepend(behind);
          continue;
        }
        old.replaceChildren(...now.childNodes);
        ready(old);
      }
    } finally {
      busy = false;
      if (again) {
        again = false;
        void renew();
      }
    }
  };
  source.addEventListener("changed", () => void renew());
  source.addEventListener("open", () => {
    if (state !== null) state.hidden = true;
    void renew(); // what was missed until now
  });
  source.addEventListener("error", () => {
    if (state !== null) state.hidden = false;
    if (source.readyState === EventSource.CLOSED) void renew(); // refused, and not asked again
  });
  addEventListener("pagehide", () => source.close());
}

/** typed reports whether letters that are typed in an element are text. */
const typed = (at: HTMLElement): boolean =>
  at.isContentEditable || /^(TEXTAREA|SELECT)$/.test(at.tagName) || (at instanceof HTMLInputElement && !/^(radio|checkbox|button|submit)$/.test(at.type));

/** letters reports whether keys of one letter do something: whoever speaks to their machine turns them off (WCAG 2.1.4). */
const letters = (): boolean => {
  try {
    return localStorage.getItem("letters") !== "off";
  } catch {
    return true;
  }
};

/** chosen is the radio button of a fact that is chosen. */
const chosen = (fact: Element | null): HTMLElement | null => fact?.querySelector<HTMLElement>("input:checked") ?? null;

/** deciding is a key on a proposed fact: a accepts it, s skips it, and both go on; c corrects it, and Escape goes back from there. */
function deciding(key: string, at: HTMLElement): boolean {
  const fact = at.closest("fieldset.proposed");
  if (fact === null) return false;
  if (key === "Escape") {
    chosen(fact)?.focus();
    return typed(at);
  }
  if (typed(at)) return false;
  if (key === "c") {
    const field = fact.querySelector<HTMLInputElement>("input:not([type=radio])");
    field?.focus();
    field?.select();
    return true;
  }
  const radio = fact.querySelector<HTMLInputElement>(key === "a" ? "input[value=accepted]" : key === "s" ? "input[value=skipped]" : "input[value='']");
  if (radio === null) return false;
  radio.checked = true;
  const next = fact.nextElementSibling;
  (chosen(next) ?? document.querySelector<HTMLElement>("main button[data-key=w]"))?.focus();
  return true;
}

/** walking goes through the list of a page, with j and k. */
function walking(key: string): boolean {
  const list = [...document.querySelectorAll<HTMLElement>("main a[data-item]")];
  const at = list.indexOf(document.activeElement as HTMLElement);
  if (list.length === 0 || (key !== "j" && key !== "k")) return false;
  list[key === "j" ? Math.min(at + 1, list.length - 1) : Math.max(at - 1, 0)]?.focus();
  return true;
}

/** palette is all ways of this page and of the console, to choose from by typing. */
function palette(): void {
  const dialog = document.querySelector<HTMLDialogElement>("#palette");
  const input = dialog?.querySelector("input");
  const list = dialog?.querySelector("ul");
  if (!dialog || !input || !list) return;
  let all: Choice[] = [];
  const show = (): void => {
    const wanted = input.value.trim().toLowerCase().split(/\s+/);
    const found = all.filter((c) => wanted.every((w) => c.text.toLowerCase().includes(w))).slice(0, 12);
    list.replaceChildren(
      ...found.map((c) => {
        const a = document.createElement("a");
        a.href = c.href;
        a.textContent = c.text;
        const li = document.createElement("li");
        li.append(a);
        return li;
      }),
    );
  };
  const open = (): void => {
    all = [...document.querySelectorAll<HTMLAnchorElement>("header.site nav a, main a[data-way], template#ways a")].map((a) => ({ text: a.textContent?.trim() ?? "", href: a.href }));
    for (const a of document.querySelector<HTMLTemplateElement>("template#ways")?.content.querySelectorAll("a") ?? []) all.push({ text: a.textContent?.trim() ?? "", href: a.href });
    all = all.filter((c, i) => c.text !== "" && all.findIndex((o) => o.href === c.href) === i);
    input.value = "";
    show();
    dialog.showModal();
  };
  input.addEventListener("input", show);
  dialog.addEventListener("keydown", (event) => {
    const ways = [...list.querySelectorAll("a")];
    const at = ways.indexOf(document.activeElement as HTMLAnchorElement);
    if (event.key === "ArrowDown") ways[Math.min(at + 1, ways.length - 1)]?.focus();
    else if (event.key === "ArrowUp") (at > 0 ? ways[at - 1] : input)?.focus();
    else if (event.key === "Enter" && at < 0 && ways[0] !== undefined) location.assign(ways[0].href);
    else return;
    event.preventDefault();
  });
  document.querySelector("[data-palette]")?.addEventListener("click", open);
  const help = document.querySelector<HTMLDialogElement>("#help");
  document.querySelector("[data-help]")?.addEventListener("click", () => help?.showModal());
  const off = help?.querySelector<HTMLInputElement>("[data-letters]");
  if (off) {
    off.checked = letters();
    off.addEventListener("change", () => localStorage.setItem("letters", off.checked ? "on" : "off"));
  }
  let before = "";
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
      return;
    }
    const at = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]") !== null || !letters()) return;
    if (deciding(event.key, at)) {
      event.preventDefault();
      return;
    }
    if (typed(at)) return;
    if (before === "g") {
      const to = document.querySelector<HTMLAnchorElement>(`a[data-key="${CSS.escape(event.key)}"]`);
      before = "";
      if (to !== null) {
        event.preventDefault();
        location.assign(to.href);
      }
      return;
    }
    before = event.key === "g" ? "g" : "";
    if (event.key === "?") help?.showModal();
    else if (event.key === "/") open();
    else if (!walking(event.key)) {
      const to = document.querySelector<HTMLElement>(`main [data-key="${CSS.escape(event.key)}"]`);
      if (to === null) return;
      to.closest("details")?.setAttribute("open", "");
      to.focus();
      if (to instanceof HTMLAnchorElement) to.click();
    }
    event.preventDefault();
  });
}

/** ready gives what is in a part of the page its behaviour. */
function ready(part: ParentNode): void {
  for (const form of part.querySelectorAll<HTMLFormElement>("form[data-confirm]")) confirming(form);
  for (const form of part.querySelectorAll<HTMLFormElement>("form[data-draft]")) drafts(form);
  for (const b of part.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
    b.hidden = false;
    b.addEventListener("click", () => {
      void navigator.clipboard.writeText(document.querySelector(b.dataset["copy"] ?? "")?.textContent?.trim() ?? "").then(() => tell(words("copied"), true));
    });
  }
  for (const b of part.querySelectorAll<HTMLButtonElement>("button[data-now]")) {
    // A time as the server reads it: with the zone of whoever sits here.
    b.hidden = false;
    b.addEventListener("click", () => {
      const field = document.querySelector<HTMLInputElement>(b.dataset["now"] ?? "");
      if (field === null) return;
      const now = new Date();
      const zone = -now.getTimezoneOffset();
      const two = (n: number): string => String(Math.floor(Math.abs(n))).padStart(2, "0");
      field.value = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}T${two(now.getHours())}:${two(now.getMinutes())}${zone < 0 ? "-" : "+"}${two(zone / 60)}:${two(zone % 60)}`;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
}

sent();
ready(document);
palette();
for (const hint of document.querySelectorAll<HTMLElement>("main [data-script]")) hint.hidden = !letters();
const able = typeof PublicKeyCredential === "function";
for (const form of document.querySelectorAll<HTMLFormElement>("form[data-sign-in]")) signIn(form);
for (const form of document.querySelectorAll<HTMLFormElement>("form[data-join]")) join(form);
for (const form of document.querySelectorAll<HTMLFormElement>("form[data-add-passkey]")) addPasskey(form);
for (const form of document.querySelectorAll<HTMLFormElement>("form[data-upload]")) upload(form, post, Refused, attempt, goes);
if (!able && document.querySelector("form[data-sign-in], form[data-join]") !== null) tell(words("cannot"));
const following = root.dataset["live"];
if (following !== undefined && following !== "") live(following);
