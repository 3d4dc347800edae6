// How far the documents are that are being read: one bar for all uploads under way, and what became of them when they are through.

import { call } from "./api.js";
import { attempt } from "./dialogs.js";
import { showDocuments } from "./documents.js";
import { $, announce, duration, el, nameNode, plural, textButton } from "./dom.js";
import { loadCollections } from "./sidebar.js";
import { change, on, state } from "./state.js";
import { stopSending } from "./uploads.js";

const INTERVAL = 500;
const OVER = ["done", "cancelled"];

const dismissed = new Set();
/** Uploads of this visit by id. A large folder is many uploads, and the appliance remembers only the last of those that are through. */
const known = new Map();
const total = (jobs, count) => jobs.reduce((sum, job) => sum + count(job), 0);
const isOver = (job) => OVER.includes(job.status);
const through = (job) => Object.values(job.counts).reduce((sum, one) => sum + one, 0);

function remember(jobs) {
  const listed = new Set(jobs.map((one) => one.id));
  for (const [id, job] of known) if (!listed.has(id) && !isOver(job)) known.set(id, { ...job, status: "done", counts: { ...job.counts, indexed: (job.counts.indexed ?? 0) + job.files - through(job) } });
  for (const job of jobs) if (!dismissed.has(job.id)) known.set(job.id, job);
  return [...known.values()].filter((one) => !dismissed.has(one.id));
}

// The panel is built once and only told what is new: it is shown twice a second, and its buttons are to be reached by a keyboard.
const title = el("p");
const goOn = textButton("again", "Go on", () => attempt(() => call("POST", `jobs/${goOn.value}/resume`).then(watch)));
const cancel = textButton("close", "Cancel", () => attempt(cancelAll));
const wasRead = textButton("list", "What was read", () => showDocuments(readInto()));
const dismiss = textButton("close", "Dismiss", dismissAll);
const bar = el("progress", { "aria-label": "Documents read" });
const facts = el("p", { class: "quiet" });

let timer;
let seen = "";
let said = "";
let began = 0;

async function watch() {
  clearTimeout(timer);
  let jobs;
  try {
    ({ jobs } = await call("GET", "jobs"));
  } catch {
    timer = setTimeout(watch, 4 * INTERVAL);
    return;
  }
  const shown = remember(jobs);
  const mark = `${total(shown, through)}/${shown.map((one) => one.status).join()}`;
  const active = shown.some((one) => !isOver(one));
  if (mark !== seen) {
    if (seen) attempt(loadCollections);
    seen = mark;
    change("ingested");
  }
  show(shown, active);
  if (active || state.sending) timer = setTimeout(watch, INTERVAL);
}

function show(jobs, active) {
  const panel = $("progress");
  panel.hidden = !jobs.length && !state.sending;
  if (panel.hidden) return;
  const busy = active || Boolean(state.sending);
  const focused = document.activeElement;
  for (const one of [cancel, bar, facts]) one.hidden = !busy;
  dismiss.hidden = busy;
  if (busy) underway(jobs);
  else finished(jobs);
  if (focused?.hidden && panel.contains(focused)) (busy ? cancel : dismiss).focus();
}

function underway(jobs) {
  began ||= Date.now();
  const files = total(jobs, (one) => one.files);
  const done = total(jobs, through);
  const running = jobs.find((one) => one.status === "running");
  const stopped = jobs.find((one) => one.status === "stopped");
  const progress = running?.progress;
  const pages = total(jobs, (one) => one.progress?.pages_done ?? 0);
  const others = total(jobs.filter((one) => one.status === "waiting"), (one) => one.files);
  // The time that the waiting uploads will take is judged by what the files before them took.
  const left = progress?.seconds_left == null || (others && !done) ? null : progress.seconds_left + (others * (Date.now() - began)) / 1000 / Math.max(1, done);
  const told = [
    files && `${done} of ${plural(files, "document")}`,
    pages && plural(pages, "page"),
    progress && progress.pages_per_second >= 0.05 && `${progress.pages_per_second.toFixed(1)} pages a second`,
    left !== null && left > 0.5 && `about ${duration(left)} left`,
    state.sending && `${state.sending.done} of ${plural(state.sending.total, "file")} sent`,
  ];
  title.className = stopped ? "bad" : "";
  title.replaceChildren(...(state.sending?.stopped ? ["Stopping…"] : stopped ? [stopped.reason] : [files ? "Reading " : "Sending ", progress?.document ? nameNode(progress.document) : "your documents…"]));
  goOn.hidden = !stopped;
  goOn.value = stopped?.id ?? "";
  wasRead.hidden = true;
  bar.max = Math.max(1, files);
  bar.value = done + 0.001;
  facts.textContent = told.filter(Boolean).join(" · ");
}

/** What is being sent as well, or else the next part of it would be read all the same. */
async function cancelAll() {
  stopSending();
  const { jobs } = await call("GET", "jobs");
  await Promise.all(jobs.filter((one) => !isOver(one)).map((one) => call("DELETE", `jobs/${one.id}`)));
  await watch();
}

function finished(jobs) {
  began = 0;
  const count = (...wanted) => total(jobs, (one) => wanted.reduce((sum, status) => sum + (one.counts[status] ?? 0), 0));
  const read = count("indexed", "unchanged");
  const told = [
    read && `${plural(read, "document")} read`,
    count("partial") && `${plural(count("partial"), "document")} read in part`,
    count("failed") && `${count("failed")} not read`,
    count("skipped") && `${count("skipped")} skipped`,
  ].filter(Boolean);
  const sentence = `${jobs.some((one) => one.status === "cancelled") ? "Cancelled. " : ""}${told.length ? `${told.join(", ")}.` : "Nothing was read."}`;
  if (said !== seen) announce(sentence);
  said = seen;
  title.className = "";
  title.textContent = sentence;
  goOn.hidden = true;
  wasRead.hidden = !readInto();
}

/** The collection that was read into last. */
function readInto() {
  return state.collections.find((one) => one.name === [...known.values()].at(-1)?.collection);
}

function dismissAll() {
  for (const id of known.keys()) dismissed.add(id);
  known.clear();
  title.replaceChildren();
  $("progress").hidden = true;
  $("question").focus();
}

export async function start() {
  $("progress").append(el("div", { class: "progress-head" }, title, goOn, cancel, wasRead, dismiss), bar, facts);
  // What was through before this page was opened is old news; the ledger has it.
  await attempt(async () => {
    const { jobs } = await call("GET", "jobs");
    for (const one of jobs) if (isOver(one)) dismissed.add(one.id);
  });
  on("uploaded sending", watch);
  await watch();
}
