// Building nodes. Texts go in as text nodes only: nothing here, or anywhere in the page, parses HTML.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** An element with attributes, listeners ("onclick": function) and children (nodes or texts). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export function iconButton(name, label, onclick, more = {}) {
  return el("button", { type: "button", class: "icon small", "aria-label": label, title: label, onclick, ...more }, icon(name));
}

export function textButton(name, label, onclick, more = {}) {
  return el("button", { type: "button", class: "plain", onclick, ...more }, name ? icon(name) : null, label);
}

/** Say it to those who listen instead of looking. */
export function announce(text) {
  const live = $("live");
  // Each its own node: what was said before is not said again, and two equal sentences are both said.
  live.append(el("p", {}, text));
  while (live.childElementCount > 6) live.firstChild.remove();
}

const CONTROLS = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** A name as it can be shown: what controls, hides or turns letters round is spelled out ("\u202e"). */
export function visible(name) {
  return name.replace(CONTROLS, (letter) => `\\u${letter.codePointAt(0).toString(16).padStart(4, "0")}`);
}

/** A user's or a file's name, kept apart from the text around it whatever its direction of writing. */
export const nameNode = (name) => el("bdi", { dir: "auto", class: "name" }, visible(name));

/** Rows into a list: [key, what it says, () => node] for each. A row that says the same stays the same node; one that is built anew keeps
 * open what was open in it. The focus stays where it was, or goes to the row that took the place of one that is gone. */
export function fill(list, rows) {
  const reachable = (node) => [...node.querySelectorAll("button, input, select, summary")].filter((one) => !one.disabled);
  const before = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const place = [...list.children].findIndex((node) => node.contains(focused));
  const old = list.children[place];
  const part = old ? reachable(old).indexOf(focused) : -1;
  const wanted = rows.map(([key, says, build]) => {
    const mark = JSON.stringify(says);
    const there = before.get(String(key));
    if (there?.dataset.mark === mark) return there;
    const node = build();
    Object.assign(node.dataset, { key, mark });
    const open = [...(there?.querySelectorAll("details") ?? [])].map((one) => one.open);
    for (const [index, one] of node.querySelectorAll("details").entries()) one.open = open[index] ?? false;
    return node;
  });
  // Those that stay are not taken out and put in again: that would take the focus from them, and a click that has begun.
  for (const node of [...list.children]) if (!wanted.includes(node)) node.remove();
  for (const [index, node] of wanted.entries()) if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  if (!focused || document.activeElement === focused) return;
  const same = wanted.find((node) => node.dataset.key === old.dataset.key);
  const parts = reachable(same ?? wanted[Math.min(place, wanted.length - 1)] ?? list);
  (parts[same ? part : 0] ?? parts[0] ?? reachable(list.parentElement)[0])?.focus({ preventScroll: true });
}

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export function duration(seconds) {
  if (seconds < 1.5) return "a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** A size in memory or on a disk. */
export const size = (bytes) => (bytes < 2 ** 29 ? `${Math.max(1, Math.round(bytes / 2 ** 20))} MB` : `${(bytes / 2 ** 30).toFixed(1)} GB`);

/** A number with as many places as say something: 1234, 56.7, 0.089. */
export const figure = (value) => value.toLocaleString("en", { maximumSignificantDigits: value >= 100 ? Math.ceil(Math.log10(value + 1)) : 3 });

export const day = (when) => new Date(when).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });

/** A list to choose from: `options` are [value, words]. */
export function choice(options, chosen, attributes = {}) {
  const node = el("select", attributes, ...options.map(([value, words]) => el("option", { value }, words)));
  node.value = chosen;
  return node;
}

/** Into the clipboard, also where the page came over a network without encryption and the browser hides the clipboard from it. Says whether it went. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // hidden, or refused: the older way may still be open
  }
  const before = document.activeElement;
  const box = el("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" }, text);
  (document.querySelector("dialog[open]:last-of-type") ?? document.body).append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  before?.focus();
  return done;
}

/** A sentence with `what is typed` in it. */
export const withCode = (sentence) => sentence.split("`").map((part, index) => (index % 2 ? el("code", {}, part) : part));

/** A button that copies, and says whether it did. */
export function copyButton(words, text, more = {}) {
  const button = textButton(
    "copy",
    words,
    async () => {
      const told = (await copyText(typeof text === "function" ? text() : text)) ? "Copied" : "Not copied: select the text yourself";
      button.lastChild.textContent = told;
      announce(`${told}.`);
      setTimeout(() => (button.lastChild.textContent = words), 2000);
    },
    more,
  );
  return button;
}

export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
