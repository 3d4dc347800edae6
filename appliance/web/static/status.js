// The top bar: the seal, the model, what is still being loaded; what is wrong with the machine; and the colours.

import { call, isGuest } from "./api.js";
import { dialog } from "./dialogs.js";
import { $, el, icon, iconButton, visible } from "./dom.js";
import { change, on, state } from "./state.js";

const QUICK = 1500;
const CALM = 8000;

let timer;
const shown = {}; // what each notice said when it was last shown: what was dismissed does not come back

/** Ask the appliance how it is, again and again: often while something is being loaded. */
export async function watch() {
  clearTimeout(timer);
  try {
    const status = await call("GET", "status");
    change("status", { status });
  } catch (error) {
    if (error.code === "unreachable") change("unreachable", { status: null });
    if (error.code === "page_outdated") return;
  }
  timer = setTimeout(watch, loading() || state.answering ? QUICK : CALM);
}

const loading = () => !state.status || Object.values(state.status.readiness).some((one) => one === "loading" || one === "waiting") || Object.values(state.status.index).includes("building");

function showSeal({ seal }) {
  const shut = seal.level === "kernel";
  const quiet = shut && (seal.attempts === null || seal.attempts === 0);
  $("seal").className = `badge ${quiet ? "good" : "warn"}`;
  $("seal").replaceChildren(icon(shut ? "seal" : "open-seal"), el("span", {}, seal.sentence));
}

function sealDialog() {
  const seal = state.status?.seal;
  if (!seal) return;
  const meaning = {
    kernel: "The system's kernel refuses every connection to any other machine, from this program and from all that it starts.",
    "app only": "This system offers no way for the kernel to refuse connections. Haversack refuses them itself, which is weaker.",
    "not blocked": "Nothing on this system keeps a program from the network. Haversack still opens no connection of its own. Take the machine off the network to be sure.",
  }[seal.level];
  const rows = seal.self_test.map((one) =>
    el("tr", {}, el("th", { scope: "row" }, one.name), el("td", { class: one.refused ? "good" : "bad" }, one.refused ? "refused" : "got out"), el("td", { class: "quiet" }, one.detail)),
  );
  const table = el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...["Way", "Result", "What the system said"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows),
  );
  const content = el(
    "div",
    { class: "stack" },
    el("p", { class: "strong" }, seal.sentence),
    el("p", {}, meaning),
    el("h3", {}, "The self-test at start: ways to get out that were tried"),
    rows.length ? table : el("p", { class: "quiet" }, "It is still running. Open this again in a moment."),
    el("p", { class: "quiet" }, "The self-test's own tries are not counted as attempts."),
  );
  dialog("How silent is this machine?", content);
}

function showModel({ model, readiness }) {
  const failed = readiness.generator.startsWith("failed");
  $("model").className = `badge ${failed ? "warn" : ""}`;
  const note = failed ? " can't be loaded" : readiness.generator === "ready" ? "" : " is being loaded";
  $("model").replaceChildren(icon("model"), el("span", {}, model.name, note && el("em", {}, note)));
}

/** What there is to know of the model in use, of the bundle and of the library. */
export function aboutModel() {
  const status = state.status;
  if (!status) return el("p", { class: "quiet" }, "Haversack does not answer just now.");
  const { model } = status;
  const facts = [
    ["Answers with", isGuest ? model.name : `${model.name}: ${model.parameters} parameters, ${model.quantisation}`],
    model.processor && ["Runs with", `llama.cpp's code for ${model.processor} processors`],
    !isGuest && ["Bundle", `${status.profile ?? "?"} (${status.bundle})`],
    !isGuest && ["Its models", status.models.map((one) => `${one.title} (${one.licence})`).join(", ")],
    !isGuest && ["Library", `${status.home}, ${(status.free_bytes / 2 ** 30).toFixed(1)} GB free`],
    ["Haversack", status.version],
  ];
  return el(
    "div",
    { class: "stack" },
    el("p", {}, "The quotes that lead an answer are found without a language model and are your documents' own words. The sentences after them are the model's: each is checked against its source by code, and what isn't there is marked."),
    el("dl", { class: "facts" }, ...facts.filter(Boolean).flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, value)])),
  );
}

/** Other machines work with this one: said wherever it is so. */
function showCamp({ basecamp }) {
  $("camp").hidden = !basecamp;
  // Guests are told that there is one, and not where.
  if (basecamp) $("camp").lastElementChild.textContent = isGuest ? "Base camp" : `Base camp: ${basecamp.hosts.join(", ")}`;
}

function campDialog() {
  const camp = state.status?.basecamp;
  if (!camp) return;
  const hosts = camp.hosts.map((host) => el("li", {}, el("code", {}, visible(host))));
  const where = hosts.length > 0 && [el("p", {}, "Questions, or the passages that they are answered from, go to these machines, and to no others:"), el("ul", {}, ...hosts)];
  dialog("Base camp", el("div", { class: "stack" }, el("p", { class: "strong" }, camp.sentence), where));
}

function showState({ readiness, waiting, index }) {
  const failed = ["embedder", "generator"].map((part) => readiness[part]).find((one) => one.startsWith("failed"));
  let told = "";
  if (failed) told = failed.slice("failed: ".length);
  else if (readiness.embedder !== "ready") told = `The search model is being loaded.${isGuest ? "" : " You can already add documents."}`;
  else if (readiness.generator !== "ready") told = "The language model is being loaded. You can already ask: quotes and passages come at once.";
  else if (state.collection && index[state.collection.id] === "building") told = "The index of this collection is still being built. Questions are answered all the same, a little slower.";
  else if (waiting > 1) told = `${waiting} questions are waiting for the language model.`;
  $("state").textContent = told;
  $("state").hidden = !told;
  $("state").classList.toggle("bad", Boolean(failed));
}

function showMachine({ machine }) {
  const bad = (machine ?? []).filter((one) => one.severity !== "note");
  const sentences = bad.map((one) => `${one.sentence} ${one.advice}`);
  notice("machine", "this machine", sentences, bad.some((one) => one.severity === "error"));
}

/** What is to be known before anything is asked; it stays dismissed until it says something else. */
function notice(id, about, sentences, error = false) {
  if (sentences.join() === (shown[id] ?? "")) return;
  shown[id] = sentences.join();
  const dismiss = () => {
    $(id).hidden = true;
    $("question").focus();
  };
  // Shown before it is filled: what is put into a hidden place is not read aloud.
  $(id).hidden = !sentences.length;
  $(id).setAttribute("role", error ? "alert" : "status");
  $(id).classList.toggle("bad", error);
  $(id).replaceChildren(
    el("div", { class: "told-head" }, el("h2", {}, `About ${about}`), iconButton("close", `Dismiss what is said about ${about}`, dismiss)),
    el("ul", { class: "findings" }, ...sentences.map((words) => el("li", {}, words))),
  );
}

function show() {
  const status = state.status;
  if (!status) return;
  showSeal(status);
  showModel(status);
  showCamp(status);
  showState(status);
  showMachine(status);
  notice("trust", "this bundle", status.trust.notices);
  $("place").textContent = isGuest ? "" : `Library: ${status.home}`;
}

const dark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const labelTheme = () => $("theme").setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`);

export function toggleTheme() {
  const chosen = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  localStorage.setItem("haversack-theme", chosen);
  labelTheme();
}

export function start() {
  on("status collection", show);
  $("seal").addEventListener("click", sealDialog);
  $("camp").addEventListener("click", campDialog);
  $("theme").addEventListener("click", toggleTheme);
  labelTheme();
  watch();
}
