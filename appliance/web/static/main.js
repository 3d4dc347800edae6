// Puts the page together: what is in each corner lives in a module of its own.

import { offers } from "./api.js";
import * as compare from "./compare.js";
import * as documents from "./documents.js";
import { attempt, dialog } from "./dialogs.js";
import { $, el, nameNode, plural } from "./dom.js";
import * as energy from "./energy.js";
import * as models from "./models.js";
import * as parameters from "./parameters.js";
import * as preferences from "./preferences.js";
import * as programs from "./programs.js";
import * as progress from "./progress.js";
import * as sidebar from "./sidebar.js";
import * as source from "./source.js";
import { on, state } from "./state.js";
import * as status from "./status.js";
import * as talk from "./talk.js";
import * as uploads from "./uploads.js";

/** Keys, what they do, and the part of the API that they need. */
const ALL_SHORTCUTS = [
  ["Enter", "send the question"],
  ["Shift + Enter", "a new line in the question"],
  ["Ctrl + Enter", "find passages only, without the model"],
  ["/", "go to the question"],
  ["n", "new conversation"],
  ["d", "documents of this collection"],
  ["u", "add files", "jobs"],
  ["m", "models", "models"],
  ["p", "parameters", "parameters"],
  ["c", "compare models side by side", "comparisons"],
  ["t", "light or dark colours"],
  ["← →", "previous or next page, in the source"],
  ["Esc", "close what is open; stop an answer"],
  ["?", "this list"],
];
const SHORTCUTS = ALL_SHORTCUTS.filter(([, , part]) => !part || offers(part));

// Keys without Ctrl or Alt must be possible to switch off: voice control types them by accident (WCAG 2.1.4).
const keysAreOn = () => localStorage.getItem("haversack-keys") !== "off";

function help() {
  const list = el("dl", { class: "facts keys" }, ...SHORTCUTS.flatMap(([keys, what]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, what)]));
  const guide = state.collections.some((one) => one.name === "guide");
  const words = el("p", {}, "Everything can be reached with Tab and Enter.", guide && " The collection “guide” answers questions about Haversack itself.");
  const single = el("input", { id: "single-keys", type: "checkbox", onchange: () => localStorage.setItem("haversack-keys", single.checked ? "on" : "off") });
  single.checked = keysAreOn();
  const choice = el("p", {}, single, " ", el("label", { for: single.id }, "Use the shortcuts of a single letter"));
  dialog("Help and shortcuts", el("div", { class: "stack" }, words, list, choice));
}

function composer() {
  const box = $("question");
  const fit = () => {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 220)}px`;
  };
  const take = () => {
    const words = box.value.trim();
    if (!words || state.answering || !talk.canAsk()) return "";
    box.value = "";
    fit();
    return words;
  };
  const send = () => {
    const words = take();
    if (words) talk.ask(words);
  };
  const find = () => {
    const words = take();
    if (words) talk.findPassages(words);
  };
  box.addEventListener("input", fit);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) find();
    else send();
  });
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  $("find").addEventListener("click", find);
  $("stop").addEventListener("click", talk.stop);
  $("overview").addEventListener("click", talk.overview);
  on("answering", () => {
    const stopHadFocus = document.activeElement === $("stop");
    $("stop").hidden = !state.answering;
    $("ask").hidden = state.answering;
    for (const id of ["find", "overview"]) $(id).disabled = state.answering;
    if (stopHadFocus && !state.answering) box.focus();
  });
}

function heading() {
  const { collection } = state;
  $("collection-name").replaceChildren(collection ? nameNode(collection.name) : "No collection yet");
  $("collection-counts").textContent = collection ? `${plural(collection.documents, "document")} · ${plural(collection.chunks, "passage")}` : "";
  document.title = collection ? `${collection.name} · Haversack` : "Haversack";
  for (const id of ["overview", "scope", "find", "ask"]) $(id).disabled = !collection || (state.answering && id !== "scope");
  $("show-documents").disabled = !collection;
}

function banner(sentence, action = null) {
  // It is said aloud whenever it is filled: once is enough.
  if ($("banner").textContent === sentence + (action?.textContent ?? "")) return;
  $("banner").replaceChildren(el("span", {}, sentence), ...(action ? [action] : []));
  $("banner").hidden = !sentence;
}

const KEYS = {
  "/": () => $("question").focus(),
  n: sidebar.newConversation,
  d: () => documents.showDocuments(),
  u: () => $("add-files").click(),
  m: () => $("model").click(),
  p: () => $("open-parameters").click(),
  c: () => $("open-compare").click(),
  t: status.toggleTheme,
  "?": help,
};

function shortcuts() {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      // In a field of search it empties the field.
      if (event.defaultPrevented || event.target.type === "search") return;
      if (!source.closeSource() && !compare.closeCompare()) talk.stop();
      return;
    }
    const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
    const known = SHORTCUTS.some(([key]) => key === event.key) && event.key in KEYS;
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !known || !keysAreOn()) return;
    event.preventDefault();
    KEYS[event.key]();
  });
}

async function start() {
  for (const part of [uploads, preferences, sidebar, source, documents, talk, models, parameters, compare, programs, energy]) part.start();
  composer();
  shortcuts();
  $("help").addEventListener("click", help);
  on("collection collections", heading);
  on("outdated", () => banner("Haversack was started anew since this page was opened.", el("button", { type: "button", onclick: () => location.reload() }, "Reload the page")));
  on("unreachable", () => banner("Haversack does not answer. Look whether it still runs; this page goes on by itself when it does."));
  on("status", () => state.status && banner(""));
  status.start();
  await attempt(async () => {
    await sidebar.loadCollections();
    await sidebar.loadConversations();
    await progress.start();
  });
  heading();
  if (!document.querySelector(".turn, .beginning")) talk.showBeginning();
  // Whoever has a keyboard types at once; on a phone the box would call up the keys over the page.
  if (matchMedia("(hover: hover) and (pointer: fine)").matches && document.activeElement === document.body) $("question").focus();
}

start();
