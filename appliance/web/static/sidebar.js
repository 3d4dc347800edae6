// The left side: collections and conversations.

import { call, file } from "./api.js";
import { askText, attempt, confirm, dialog } from "./dialogs.js";
import { $, el, fill, iconButton, nameNode, plural, save, textButton, visible } from "./dom.js";
import { change, on, state } from "./state.js";

export async function loadCollections() {
  const [{ collections }, { packs }] = await Promise.all([call("GET", "collections"), call("GET", "packs")]);
  const open = collections.find((one) => one.id === state.collection?.id) ?? collections[0] ?? null;
  change("collections", { collections, packs });
  if (open?.id !== state.collection?.id) openCollection(open);
  else change("collection", { collection: open });
}

export function openCollection(collection) {
  change("collection", { collection, scope: null });
  change("scope");
  change("conversation", { conversation: null });
  closeSide();
}

let searches = 0;

export async function loadConversations() {
  const query = $("find-conversation").value.trim();
  searches += 1;
  const mine = searches;
  const { conversations } = await call("GET", `conversations?query=${encodeURIComponent(query)}`);
  // What was asked for later may come first.
  if (mine === searches) change("conversations", { conversations });
}

/** The collection of that name, made where there is none. */
export async function ensureCollection(name) {
  const wanted = name.split(/\s+/).join(" ");
  const there = state.collections.find((one) => one.name === wanted);
  const collection = there ?? (await call("POST", "collections", { name: wanted }));
  await loadCollections();
  openCollection(state.collections.find((one) => one.id === collection.id));
  return state.collection;
}

export async function newCollection(value = "") {
  const name = await askText("New collection", "Its name", { value, action: "Make it" });
  return name ? attempt(() => ensureCollection(name)) : undefined;
}

async function renameCollection(collection) {
  const name = await askText("Rename collection", "New name", { value: collection.name });
  if (name) await attempt(() => call("PATCH", `collections/${collection.id}`, { name }).then(loadCollections));
}

async function removeCollection(collection) {
  const what = `“${visible(collection.name)}” with its ${plural(collection.documents, "document")} and the conversations about it will be deleted from this library.`;
  if (!(await confirm("Remove this collection?", `${what} Your own files elsewhere stay as they are.`, "Remove it"))) return;
  await attempt(async () => {
    await call("DELETE", `collections/${collection.id}`);
    await loadCollections();
    await loadConversations();
  });
}

/** A pack lies in one file, anywhere on this machine or on a stick: a browser doesn't tell where a file is, so its path is typed. */
async function openPack() {
  const note = "The path of the file, as your file manager shows it. It is read where it lies: nothing is copied.";
  const file = await askText("Open a pack", "Its file", { action: "Open it", note, longest: 4000 });
  if (!file) return;
  await attempt(async () => {
    const opened = await call("POST", "packs", { file });
    await loadCollections();
    openCollection(state.collections.find((one) => one.id === opened.collection_id) ?? null);
    await dialog("The pack is open", el("div", { class: "stack" }, el("p", {}, `It is signed by the key ${opened.signer}.`), el("p", {}, opened.note || "Compare the key with what its maker told you."))).closed;
  });
}

async function closePack(collection) {
  if (!(await confirm("Close this pack?", `“${visible(collection.name)}” will not be read any more. Its file and the conversations about it stay.`, "Close it"))) return;
  await attempt(() => call("DELETE", `packs/${collection.id}`).then(loadCollections));
}

async function renameConversation(conversation) {
  const title = await askText("Rename conversation", "New title", { value: conversation.title });
  if (!title) return;
  await attempt(async () => {
    const renamed = await call("PATCH", `conversations/${conversation.id}`, { title });
    if (state.conversation?.id === renamed.id) state.conversation = renamed;
    await loadConversations();
  });
}

async function removeConversation(conversation) {
  if (!(await confirm("Delete this conversation?", `“${visible(conversation.title)}” will be deleted from this library.`, "Delete it"))) return;
  await attempt(async () => {
    await call("DELETE", `conversations/${conversation.id}`);
    if (state.conversation?.id === conversation.id) change("conversation", { conversation: null });
    await loadConversations();
  });
}

export function exportConversation(conversation) {
  const name = conversation.title.replace(/[^\p{L}\p{N} _-]/gu, "").trim().slice(0, 60) || "conversation";
  const get = (format, suffix) => attempt(async () => save(await file(`conversations/${conversation.id}/export?format=${format}`), name + suffix));
  const content = el(
    "div",
    { class: "stack" },
    el("p", {}, "Both hold every quote in full, with its document and page."),
    textButton("export", "One HTML file, for any browser", () => get("html", ".html")),
    textButton("export", "Markdown, for editors and notes", () => get("markdown", ".md")),
  );
  dialog("Export this conversation", content);
}

function entry(label, open, onclick, more, actions) {
  const button = el("button", { type: "button", class: "entry", "aria-current": open ? "true" : false, onclick }, label, more);
  return el("li", { class: open ? "open" : false }, button, open && actions.length ? el("div", { class: "entry-actions" }, actions) : null);
}

function collectionRow({ id, name, pack }, open) {
  // Its counts change with each document that is read while this row stays: what is pressed is done with what holds by then.
  const now = () => state.collections.find((one) => one.id === id);
  const [sign, words, remove] = pack ? ["close", "Close the pack", closePack] : ["remove", "Remove the collection", removeCollection];
  const actions = [
    iconButton("edit", `Rename the collection ${visible(name)}`, () => renameCollection(now())),
    iconButton(sign, `${words} ${visible(name)}`, () => remove(now())),
  ];
  return entry(nameNode(name), open, () => openCollection(now()), el("span", { class: "count" }), actions);
}

function showCollections() {
  const open = (id) => id === state.collection?.id;
  const rows = state.collections.map((one) => [one.id, [one.name, one.pack, open(one.id)], () => collectionRow(one, open(one.id))]);
  const none = ["none", "", () => el("li", { class: "quiet none" }, "None yet. Add files, and one is made.")];
  // Why a pack can't be read now: its stick is out, it was made with another model. Those that were closed are nobody's concern.
  const away = state.packs.filter((one) => !["open", "closed", "older edition"].includes(one.state));
  const told = away.map((one) => [`pack ${one.collection}`, one, () => el("li", { class: "quiet none" }, el("details", {}, el("summary", {}, nameNode(one.collection), " can't be read now"), el("p", {}, one.sentence)))]);
  fill($("collections"), [...(rows.length ? rows : [none]), ...told]);
  for (const { id, documents, pack } of state.collections) {
    const count = $("collections").querySelector(`[data-key="${id}"] .count`);
    count.textContent = `${pack ? "pack · " : ""}${documents}`;
    count.setAttribute("aria-label", plural(documents, "document") + (pack ? ", a pack" : ""));
  }
  if (opened !== state.collection?.id) showOpened();
}

let opened = null;

/** Of many collections the open one is in sight when it is opened; afterwards the list stays where it was scrolled to. */
function showOpened() {
  opened = state.collection?.id;
  const list = $("collections");
  const row = list.querySelector(".open");
  if (row) list.scrollTop = row.offsetTop - list.offsetTop - (list.clientHeight - row.offsetHeight) / 2;
}

function conversationRow(conversation, open) {
  const { title, updated } = conversation;
  const show = () => {
    change("conversation", { conversation });
    closeSide();
  };
  const when = el("time", { class: "count", datetime: updated }, new Date(updated).toLocaleDateString("en", { day: "numeric", month: "short" }));
  const actions = [
    iconButton("edit", `Rename the conversation ${visible(title)}`, () => renameConversation(conversation)),
    iconButton("export", `Export the conversation ${visible(title)}`, () => exportConversation(conversation)),
    iconButton("remove", `Delete the conversation ${visible(title)}`, () => removeConversation(conversation)),
  ];
  return entry(nameNode(title || "Untitled"), open, show, when, actions);
}

function showConversations() {
  const open = (id) => id === state.conversation?.id;
  const rows = state.conversations.map((one) => [one.id, [one, open(one.id)], () => conversationRow(one, open(one.id))]);
  const none = $("find-conversation").value.trim() ? "No conversation holds these words." : "Your questions will be kept here.";
  fill($("conversations"), rows.length ? rows : [["none", none, () => el("li", { class: "quiet none" }, none)]]);
}

function closeSide() {
  if (!document.body.classList.contains("side-open")) return;
  document.body.classList.remove("side-open");
  $("menu").setAttribute("aria-expanded", "false");
}

export function toggleSide() {
  const open = document.body.classList.toggle("side-open");
  $("menu").setAttribute("aria-expanded", String(open));
  if (open) $("side").querySelector("button")?.focus();
}

export function newConversation() {
  change("conversation", { conversation: null });
  closeSide();
  $("question").focus();
}

export function start() {
  on("collections collection", showCollections);
  on("conversations conversation", showConversations);
  $("new-collection").addEventListener("click", () => newCollection());
  $("open-pack").addEventListener("click", openPack);
  $("new-conversation").addEventListener("click", newConversation);
  $("menu").addEventListener("click", toggleSide);
  $("workshop").addEventListener("click", closeSide);
  $("side").addEventListener("keydown", escape);
  let timer;
  $("find-conversation").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => attempt(loadConversations), 200);
  });
}

/** Esc empties the search, then closes the side where it lies over the page; an answer that is being written goes on. */
function escape(event) {
  if (event.key !== "Escape") return;
  const find = $("find-conversation");
  if (event.target === find && find.value) {
    event.preventDefault();
    find.value = "";
    find.dispatchEvent(new Event("input"));
  } else if (document.body.classList.contains("side-open")) {
    event.preventDefault();
    closeSide();
    $("menu").focus();
  }
}
