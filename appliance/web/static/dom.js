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

export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
