// Fills what the page provides. All language is in the page's templates and
// vocabularies; here are only values. Nothing is ever parsed as HTML.

import { digits, number, time, timeWithJapan } from "./format.ts";
import type { Names } from "./messages.ts";

export const lang = (): string => document.documentElement.lang || "ja";

/** Gives a template's one element, filled; undefined where the page has no such template. */
export function fromTemplate(selector: string, names: Names): HTMLElement | undefined {
  const template = document.querySelector<HTMLTemplateElement>(`template${selector}`);
  const content = template?.content.cloneNode(true) as DocumentFragment | undefined;
  const root = content?.firstElementChild;
  if (content === undefined || !(root instanceof HTMLElement)) return undefined;
  fill(content, names);
  return root;
}

/** Fills an element of the page that is filled again and again: its first content is the template. */
export function refill(element: HTMLElement, names: Names): void {
  let template = templates.get(element);
  if (template === undefined) {
    template = document.createDocumentFragment();
    template.append(...element.childNodes);
    templates.set(element, template);
  }
  const content = template.cloneNode(true) as DocumentFragment;
  fill(content, names);
  element.replaceChildren(content);
}

const templates = new WeakMap<HTMLElement, DocumentFragment>();

function fill(part: DocumentFragment, names: Names): void {
  for (const e of part.querySelectorAll<HTMLElement>("[data-when]")) if (!holds(e.dataset.when!, names)) e.remove();
  for (const e of part.querySelectorAll<HTMLElement>("[data-classes]")) {
    if (!e.dataset.classes!.split(/\s+/).some((c) => exposed(names, c))) e.remove();
  }
  for (const e of part.querySelectorAll<HTMLElement>("[data-slot]")) fillSlot(e, names);
  for (const e of part.querySelectorAll<HTMLElement>("[data-href]")) {
    e.setAttribute("href", e.dataset.href!.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(names[name] ?? ""))));
  }
  for (const template of part.querySelectorAll<HTMLTemplateElement>("template[data-each]")) {
    for (const item of inOrder(names[template.dataset.each!])) {
      const content = template.content.cloneNode(true) as DocumentFragment;
      fill(content, { ...names, ...item });
      template.before(content);
    }
    template.remove();
  }
}

/** "NAME", "!NAME", "NAME=VALUE", "NAME!=VALUE", separated by spaces: all must hold. */
function holds(conditions: string, names: Names): boolean {
  return conditions.trim().split(/\s+/).every((condition) => {
    const [, not, name, operator, value] = /^(!?)(\w+)(?:(!?=)(.*))?$/.exec(condition) ?? [];
    const held = names[name ?? ""];
    if (operator === undefined) return (Array.isArray(held) ? held.length > 0 : Boolean(held)) !== (not === "!");
    return (String(held) === value) === (operator === "=");
  });
}

function exposed(names: Names, pattern: string): boolean {
  const classes = inOrder(names.exposed).map((n) => String(n.class));
  if (!pattern.endsWith("*")) return classes.includes(pattern);
  const word = pattern.slice(0, -1);
  return classes.some((c) => c === word || c.startsWith(`${word}:`));
}

function fillSlot(e: HTMLElement, names: Names): void {
  const value = names[e.dataset.slot!];
  if (value === undefined || Array.isArray(value)) return;
  if (e instanceof HTMLTimeElement) {
    e.dateTime = String(value);
    e.textContent = (e.dataset.jst === undefined ? time : timeWithJapan)(lang(), new Date(String(value)));
  } else if (typeof value === "number") {
    e.textContent = e.dataset.digits === undefined ? number(lang(), value) : digits(value);
  } else {
    e.textContent = e.dataset.from === undefined ? String(value) : word(e.dataset.from, String(value));
  }
}

/** Gives a list; classes in the order of the page's vocabulary, unknown ones last. */
function inOrder(list: Names[string] | undefined): Names[] {
  if (!Array.isArray(list)) return [];
  if (list[0]?.class === undefined) return list;
  const order = words("class").map((e) => e.dataset.word);
  const rank = (n: Names) => (order.indexOf(String(n.class)) + order.length + 1) % (order.length + 1);
  return [...list].sort((a, b) => rank(a) - rank(b));
}

const word = (vocabulary: string, value: string): string =>
  words(vocabulary).find((e) => e.dataset.word === value)?.textContent ?? value;

function words(vocabulary: string): HTMLElement[] {
  const template = document.querySelector<HTMLTemplateElement>(`template[data-words="${CSS.escape(vocabulary)}"]`);
  return [...(template?.content.querySelectorAll<HTMLElement>("[data-word]") ?? [])];
}
