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

/** Into the clipboard, also where the page came over a network without encryption and the browser hides the clipboard from it. */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = el("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" }, text);
  (document.querySelector("dialog[open]:last-of-type") ?? document.body).append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
  return undefined;
}

/** A sentence with `what is typed` in it. */
export const withCode = (sentence) => sentence.split("`").map((part, index) => (index % 2 ? el("code", {}, part) : part));

/** A button that copies, and says that it did. */
export function copyButton(words, text, more = {}) {
  const button = textButton(
    "copy",
    words,
    async () => {
      await copyText(typeof text === "function" ? text() : text);
      button.lastChild.textContent = "Copied";
      announce("Copied.");
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
