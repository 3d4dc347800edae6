// The left side: collections and conversations.

import { call, file } from "./api.js";
import { askText, attempt, confirm, dialog } from "./dialogs.js";
import { $, el, iconButton, nameNode, plural, save, textButton, visible } from "./dom.js";
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

export async function loadConversations() {
  const query = $("find-conversation").value.trim();
  const { conversations } = await call("GET", `conversations?query=${encodeURIComponent(query)}`);
  change("conversations", { conversations });
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
  if (title) await attempt(() => call("PATCH", `conversations/${conversation.id}`, { title }).then(loadConversations));
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

function showCollections() {
  const entries = state.collections.map((one) =>
    entry(
      nameNode(one.name),
      one.id === state.collection?.id,
      () => openCollection(one),
      el("span", { class: "count", "aria-label": plural(one.documents, "document") + (one.pack ? ", a pack" : "") }, `${one.pack ? "pack · " : ""}${one.documents}`),
      [
        iconButton("edit", `Rename the collection ${visible(one.name)}`, () => renameCollection(one)),
        one.pack
          ? iconButton("close", `Close the pack ${visible(one.name)}`, () => closePack(one))
          : iconButton("remove", `Remove the collection ${visible(one.name)}`, () => removeCollection(one)),
      ],
    ),
  );
  // Why a pack can't be read now: its stick is out, it was made with another model. Those that were closed are nobody's concern.
  const away = state.packs.filter((one) => !["open", "closed", "older edition"].includes(one.state));
  const told = away.map((one) => el("li", { class: "quiet none" }, el("details", {}, el("summary", {}, nameNode(one.collection), " can't be read now"), el("p", {}, one.sentence))));
  $("collections").replaceChildren(...(entries.length ? entries : [el("li", { class: "quiet none" }, "None yet. Add files, and one is made.")]), ...told);
}

function showConversations() {
  const entries = state.conversations.map((one) =>
    entry(
      nameNode(one.title || "Untitled"),
      one.id === state.conversation?.id,
      () => {
        change("conversation", { conversation: one });
        closeSide();
      },
      el("time", { class: "count", datetime: one.updated }, new Date(one.updated).toLocaleDateString("en", { day: "numeric", month: "short" })),
      [
        iconButton("edit", `Rename the conversation ${visible(one.title)}`, () => renameConversation(one)),
        iconButton("export", `Export the conversation ${visible(one.title)}`, () => exportConversation(one)),
        iconButton("remove", `Delete the conversation ${visible(one.title)}`, () => removeConversation(one)),
      ],
    ),
  );
  const none = $("find-conversation").value.trim() ? "No conversation holds these words." : "Your questions will be kept here.";
  $("conversations").replaceChildren(...(entries.length ? entries : [el("li", { class: "quiet none" }, none)]));
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
  $("side").addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      closeSide();
      $("menu").focus();
    }
  });
  let timer;
  $("find-conversation").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => attempt(loadConversations), 200);
  });
}
