// The one renderer for everything that isn't ours: what the model writes, what documents say. A small part of Markdown (paragraphs,
// headings, lists, bold, italic, code) becomes nodes; links, pictures and HTML stay the letters that they are. Streaming and history
// both come through here.

import { el } from "./dom.js";

// Mark a sentence that the documents don't hold, inside the text, while it is parsed. Taken out of the text itself first.
const OPEN = "\ue000";
const CLOSE = "\ue001";
const INLINE = new RegExp(`(\`[^\`\\n]+\`)|(\\*\\*(?=\\S)[^*]+\\*\\*)|(\\*(?=[^\\s*])[^*\\n]+\\*)|(\\[\\d{1,4}\\])|(${OPEN})|(${CLOSE})`, "g");
const ITEM = /^\s{0,6}(?:[-*•]|(\d{1,3})[.)])\s+(.*)$/;

const QUOTE = /^“(.*)” \[(\d{1,4})\]$/;

export const UNSUPPORTED = "not found in your documents";

/** Markdown text as nodes. `marker(n)` gives the node of [n], null where nothing is cited by that number; `quote(n)` its quote. */
export function rendered(text, { marker, quote: quoted }, sentences = []) {
  const fragment = document.createDocumentFragment();
  let paragraph = [];
  let list = null;
  const close = () => {
    if (paragraph.length) fragment.append(el("p", { dir: "auto" }, ...inline(paragraph.join("\n"), marker)));
    paragraph = [];
    list = null;
  };
  for (const line of annotated(text, sentences).split("\n")) {
    const item = ITEM.exec(line);
    const heading = /^#{1,6}\s+(.*)$/.exec(line);
    const quote = QUOTE.exec(line);
    if (!line.trim()) {
      close();
    } else if (quote && marker(Number(quote[2]))) {
      // A line above quotes is what they are about: the section of a summary.
      if (paragraph.length === 1) fragment.append(el("h3", { dir: "auto" }, paragraph.pop()));
      close();
      fragment.append(quoted(Number(quote[2])));
    } else if (heading) {
      close();
      fragment.append(el("h3", { dir: "auto" }, ...inline(heading[1], marker)));
    } else if (item) {
      if (!list) {
        close();
        list = el(item[1] ? "ol" : "ul", item[1] ? { start: item[1] } : {});
        fragment.append(list);
      }
      list.append(el("li", { dir: "auto" }, ...inline(item[2], marker)));
    } else {
      if (list) close();
      paragraph.push(line);
    }
  }
  close();
  return fragment;
}

function inline(text, marker) {
  const root = el("span");
  let parent = root;
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    parent.append(text.slice(last, match.index));
    last = match.index + match[0].length;
    const [whole, code, bold, italic, cited, open] = match;
    if (code) parent.append(el("code", {}, code.slice(1, -1)));
    else if (bold) parent.append(el("strong", {}, ...inline(bold.slice(2, -2), marker)));
    else if (italic) parent.append(el("em", {}, ...inline(italic.slice(1, -1), marker)));
    else if (cited) parent.append(marker(Number(cited.slice(1, -1))) ?? whole);
    else if (open) {
      const mark = el("span", { class: "unsupported" });
      root.append(mark);
      parent = mark;
    } else if (parent !== root) {
      parent.append(el("span", { class: "flag" }, UNSUPPORTED));
      parent = root;
    }
  }
  parent.append(text.slice(last));
  if (parent !== root) parent.append(el("span", { class: "flag" }, UNSUPPORTED));
  return [...root.childNodes];
}

/** The text with its sentences' markers put after them where they are not there yet, and the unsupported ones enclosed. */
function annotated(text, sentences) {
  let left = text.replaceAll(OPEN, "").replaceAll(CLOSE, "");
  let done = "";
  for (const sentence of sentences) {
    const words = sentence.text.trim().split(/\s+/).filter(Boolean);
    if (!words.length) continue;
    const found = new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+")).exec(left);
    if (!found) continue;
    const end = found.index + found[0].length;
    const there = /^(?:\s*\[\d{1,4}\])+/.exec(left.slice(end))?.[0] ?? "";
    const markers = there || (sentence.markers.length ? ` ${sentence.markers.map((n) => `[${n}]`).join("")}` : "");
    const whole = found[0] + markers;
    done += left.slice(0, found.index) + (sentence.supported ? whole : OPEN + whole + CLOSE);
    left = left.slice(end + there.length);
  }
  return done + left;
}
