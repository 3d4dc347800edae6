// The documents of a collection: the ledger of what was read and what was not and why, and which of them are asked.

import { call } from "./api.js";
import { attempt, confirm, dialog } from "./dialogs.js";
import { $, el, fill, iconButton, nameNode, plural, textButton, visible } from "./dom.js";
import { loadCollections } from "./sidebar.js";
import { openSource } from "./source.js";
import { change, on, state } from "./state.js";
import { summarise } from "./talk.js";
import { takes, unlock } from "./uploads.js";

const WORDS = { indexed: "Read", partial: "Read in part", failed: "Not read" };
const SIGNS = { indexed: "✓", partial: "◐", failed: "✕" };
const MOST = 500; // rows at a time
const ENCRYPTED = /^This file is encrypted/;

let opened = null; // { box, load }

export async function showDocuments(collection = state.collection) {
  if (!collection || opened?.box.open) return;
  const list = el("ul", { class: "ledger" }, el("li", { class: "quiet" }, "Opening…"));
  const filter = el("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter by name" });
  const asked = el("p", { class: "quiet", role: "status" });
  const everything = textButton(null, "Ask all of them", () => (choose(null), filter.focus()));
  const content = el("div", { class: "stack" }, el("div", { class: "ledger-head" }, filter, asked, everything), list);
  const { box } = dialog(`Documents of “${visible(collection.name)}”`, content, { wide: true });
  let entries = [];

  // The whole choice, whatever the filter shows of it.
  const choose = (ids) => {
    change("scope", { scope: ids?.length ? ids : null });
    tell();
    for (const check of list.querySelectorAll("input")) check.checked = state.scope?.includes(Number(check.value)) ?? false;
  };
  const tick = (id, wanted) => choose([...(state.scope ?? []).filter((one) => one !== id), ...(wanted ? [id] : [])]);
  // Questions go to the open collection: of another one nothing can be chosen.
  const mine = collection.id === state.collection?.id;
  const tell = () => {
    asked.textContent = !mine ? "Open this collection to ask it." : state.scope ? `Questions go to ${plural(state.scope.length, "document")}.` : "Tick documents to ask only those.";
    everything.hidden = !mine || !state.scope;
  };
  const row = (entry) => {
    const id = entry.document_id;
    const check = el("input", { type: "checkbox", value: id ?? "", disabled: !id || !mine, "aria-label": `Ask only ${visible(entry.document)}` });
    check.checked = (mine && state.scope?.includes(id)) ?? false;
    check.addEventListener("change", () => tick(id, check.checked));
    const pages = id ? `${plural(entry.pages, "page")}, ${plural(entry.chunks, "passage")}` : "";
    const actions = el(
      "div",
      { class: "row-actions" },
      ENCRYPTED.test(entry.reason ?? "") && takes(collection) ? textButton("seal", "Give its password", () => unlock(entry.document, collection).then((sent) => sent && box.close(""))) : null,
      id ? textButton(null, "Open", () => (box.close(""), openSource({ document_id: id, position: 0, start: 0, end: 0 }))) : null,
      id && mine ? textButton(null, "Summarise", () => (box.close(""), summarise({ id, name: entry.document }))) : null,
      id && !collection.pack ? iconButton("remove", `Remove ${visible(entry.document)}`, () => remove(entry)) : null,
    );
    const status = el("span", { class: `status ${entry.status}` }, el("span", { "aria-hidden": "true" }, `${SIGNS[entry.status] ?? "·"} `), WORDS[entry.status] ?? entry.status);
    return el("li", {}, check, el("div", { class: "ledger-text" }, el("p", { class: "strong" }, nameNode(entry.document)), el("p", { class: "quiet" }, status, pages && ` · ${pages}`), ...reasons(entry)), actions);
  };
  const show = () => {
    const word = filter.value.trim().toLocaleLowerCase();
    const fitting = entries.filter((one) => one.document.toLocaleLowerCase().includes(word));
    const none = entries.length ? "No document has that in its name." : "Nothing yet. Drop files or folders on the page.";
    const told = fitting.length > MOST ? `… and ${fitting.length - MOST} more: filter by name to see them.` : fitting.length ? "" : none;
    const rows = fitting.slice(0, MOST).map((one) => [`of ${one.document}`, one, () => row(one)]);
    fill(list, told ? [...rows, ["told", told, () => el("li", { class: "quiet" }, told)]] : rows);
  };
  const load = async () => {
    ({ entries } = await call("GET", `collections/${collection.id}/ledger`));
    entries.sort((one, other) => (one.status === "failed") - (other.status === "failed") || one.document.localeCompare(other.document));
    show();
    // One that was removed, or came in anew, can't be asked by its old number.
    const there = mine && state.scope?.filter((id) => entries.some((one) => one.document_id === id));
    if (there && there.length < state.scope.length) choose(there);
    else tell();
  };
  const remove = async (entry) => {
    if (!(await confirm("Remove this document?", `“${visible(entry.document)}” will be deleted from this library: its text, its index, the copy of the file, and the answers that quote it. Your own file elsewhere stays as it is.`, "Remove it"))) return;
    await attempt(async () => {
      await call("DELETE", `documents/${entry.document_id}`);
      await load();
      await loadCollections();
    });
  };
  filter.addEventListener("input", show);
  opened = { box, load };
  await attempt(load);
}

/** Why it was not read, or which of its pages were not. */
function reasons(entry) {
  const told = entry.reason ? [el("p", { class: "reason" }, ENCRYPTED.test(entry.reason) ? "This file is encrypted. Give its password to read it." : entry.reason)] : [];
  if (!entry.unread.length) return told;
  const pages = entry.unread.map((one) => el("li", {}, one.page === null ? "" : `Page ${one.page}: `, one.reason));
  return [...told, el("details", {}, el("summary", {}, `${plural(entry.unread.length, "page")} not read whole`), el("ul", {}, ...pages))];
}

function showScope() {
  $("scope").lastElementChild.textContent = state.scope ? `Only ${plural(state.scope.length, "document")}` : "All documents";
  $("scope").classList.toggle("chosen", Boolean(state.scope));
}

export function start() {
  on("scope", showScope);
  on("ingested", () => opened?.box.open && opened.load().catch(() => {}));
  for (const id of ["show-documents", "scope"]) $(id).addEventListener("click", () => showDocuments());
}
