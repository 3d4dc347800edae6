// The source beside the answer: the page of the document, with the passage boxed on its picture or marked in its text.

import { call, file } from "./api.js";
import { attempt } from "./dialogs.js";
import { $, announce, el, nameNode, save, visible } from "./dom.js";

let shown = null; // { id, position, start, end, page: the page's values, asText, wantsText }
let opener = null;
let turn = 0;

/** Show the passage of a citation or an evidence: { document_id, position, start, end }. */
export function openSource({ document_id, position, start, end }) {
  opener = document.activeElement;
  $("source").hidden = false;
  document.body.classList.add("source-open");
  return show({ id: document_id, position, start, end, wantsText: false }).then(() => $("source-title").focus());
}

export function closeSource() {
  if ($("source").hidden) return false;
  turn += 1;
  $("source").hidden = true;
  document.body.classList.remove("source-open");
  shown = null;
  if (opener?.isConnected) opener.focus();
  return true;
}

async function show(wanted) {
  const mine = (turn += 1);
  const { id, position, start, end } = wanted;
  const range = end > start ? `?start=${start}&end=${end}` : "";
  $("source-body").setAttribute("aria-busy", "true");
  try {
    const page = await call("GET", `documents/${id}/pages/${position}${range}`);
    if (mine !== turn) return;
    shown = { ...wanted, page };
    head(page);
    const asText = wanted.wantsText || !page.picture || !(await picture(page, range, mine));
    if (mine !== turn) return;
    shown.asText = asText;
    if (asText) text(page, wanted.wantsText || !page.picture ? [] : [el("p", { class: "notice" }, "This page can't be drawn here (it is encrypted or damaged). This is the text that was read.")]);
    $("source-view").hidden = !page.picture;
    $("source-view").textContent = asText ? "Show the page" : "Show as text";
    announce(`${page.document}, ${place(page)}${page.passage ? `. The passage: ${page.passage}` : ""}`);
  } catch (error) {
    if (mine === turn) $("source-body").replaceChildren(el("p", { class: "notice" }, error.message));
  } finally {
    if (mine === turn) $("source-body").removeAttribute("aria-busy");
  }
}

const place = (page) => {
  if (page.number === null) return "whole text";
  return `page ${page.number} of ${page.pages}${page.label ? ` (printed: ${visible(page.label)})` : ""}`;
};

function head(page) {
  $("source-title").replaceChildren(nameNode(page.document));
  $("source-place").textContent = place(page);
  $("source-back").disabled = page.position === 0;
  $("source-next").disabled = page.position >= page.pages - 1;
  $("source-page").hidden = page.number === null || page.pages < 2;
  $("source-page").max = page.pages;
  $("source-page").value = page.number;
}

/** Draw the page and the boxes; false where there is no picture of it, and its text must do. */
async function picture(page, range, mine) {
  const body = $("source-body");
  const width = Math.min(2000, Math.max(600, Math.round(body.clientWidth * devicePixelRatio)));
  const path = `documents/${shown.id}/pages/${page.position}`;
  if (!body.querySelector(".sheet")) body.replaceChildren(el("p", { class: "notice quiet" }, "The page is being drawn…"));
  try {
    const [drawn, found] = await Promise.all([file(`${path}/picture?width=${width}`), range ? call("GET", `${path}/boxes${range}`) : { boxes: [] }]);
    if (mine !== turn) return true;
    if (!drawn.size) return false; // encrypted, or damaged
    const image = await createImageBitmap(drawn);
    const boxed = found.boxes.length > 0;
    const label = `Picture of page ${page.number} of ${visible(page.document)}${boxed ? "; the passage is boxed" : ""}`;
    const canvas = el("canvas", { width: image.width, height: image.height, role: "img", "aria-label": label });
    canvas.getContext("2d").drawImage(image, 0, 0);
    image.close();
    const boxes = found.boxes.map(([left, top, right, bottom]) => box(left, top, right, bottom));
    body.replaceChildren(...passage(page, boxed), el("div", { class: "sheet" }, canvas, ...boxes), ...reason(page));
    boxes[0]?.scrollIntoView({ block: "center" });
    return true;
  } catch {
    return false;
  }
}

/** Only CSSOM sets places: the page's policy allows no inline styles. */
function box(left, top, right, bottom) {
  const node = el("div", { class: "box" });
  Object.assign(node.style, { left: `${left * 100}%`, top: `${top * 100}%`, width: `${(right - left) * 100}%`, height: `${(bottom - top) * 100}%` });
  return node;
}

/** Where no box could be found for a passage, it is said in words above the picture. */
const passage = (page, boxed) => (page.passage && !boxed ? [el("blockquote", { dir: "auto" }, page.passage)] : []);
const reason = (page) => (page.reason ? [el("p", { class: "notice" }, `This page was not read whole: ${page.reason}`)] : []);

function text(page, notes) {
  // A mark for each line: one around an empty line would be a box around nothing.
  const marked = page.passage.split(/(\s*\n\s*)/).map((line) => (line.trim() ? el("mark", {}, line) : line));
  const empty = !page.before && !page.passage && !page.after;
  const sheet = el("div", { class: "sheet text", dir: "auto" }, page.before, ...marked, page.after, empty && el("em", { class: "quiet" }, "There is no text on this page."));
  $("source-body").replaceChildren(...notes, ...reason(page), sheet);
  const mark = sheet.querySelector("mark");
  if (mark) mark.scrollIntoView({ block: "center" });
  else $("source-body").scrollTop = 0;
}

export function turnPage(step) {
  if (!shown?.page) return;
  const position = shown.page.position + step;
  if (position < 0 || position >= shown.page.pages) return;
  show({ id: shown.id, position, start: 0, end: 0, wantsText: shown.asText && shown.page.picture });
}

/** To the page whose number was typed; what is no page of it goes away again. */
function goTo() {
  if (!shown?.page) return;
  const { number, pages, position } = shown.page;
  const wanted = Number($("source-page").value);
  if (Number.isInteger(wanted) && wanted >= 1 && wanted <= pages) turnPage(wanted - 1 - position);
  else $("source-page").value = number;
}

export function start() {
  $("source-close").addEventListener("click", closeSource);
  $("source-back").addEventListener("click", () => turnPage(-1));
  $("source-next").addEventListener("click", () => turnPage(1));
  $("source-page").addEventListener("change", goTo);
  $("source-view").addEventListener("click", () => show({ ...shown, wantsText: !shown.asText }));
  $("source-original").addEventListener("click", () =>
    attempt(async () => {
      if (shown?.page) save(await file(`documents/${shown.id}/original`), shown.page.document.split("/").pop());
    }),
  );
  $("source").addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeSource();
    else if (event.target.tagName === "INPUT") return;
    else if (event.key === "ArrowLeft") turnPage(-1);
    else if (event.key === "ArrowRight") turnPage(1);
    else return;
    event.preventDefault();
  });
}
