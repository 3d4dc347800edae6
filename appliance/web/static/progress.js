// How far the documents are that are being read: one bar for all uploads under way, and what became of them when they are through.

import { call } from "./api.js";
import { attempt } from "./dialogs.js";
import { showDocuments } from "./documents.js";
import { $, announce, duration, el, nameNode, plural, textButton } from "./dom.js";
import { loadCollections } from "./sidebar.js";
import { change, on, state } from "./state.js";

const INTERVAL = 500;
const OVER = ["done", "cancelled"];

const dismissed = new Set();
/** Uploads of this visit by id. A large folder is many uploads, and the appliance remembers only the last of those that are through. */
const known = new Map();
const total = (jobs, count) => jobs.reduce((sum, job) => sum + count(job), 0);
const through = (job) => Object.values(job.counts).reduce((sum, one) => sum + one, 0);

function remember(jobs) {
  const listed = new Set(jobs.map((one) => one.id));
  for (const [id, job] of known) if (!listed.has(id) && !OVER.includes(job.status)) known.set(id, { ...job, status: "done", counts: { ...job.counts, indexed: (job.counts.indexed ?? 0) + job.files - through(job) } });
  for (const job of jobs) if (!dismissed.has(job.id)) known.set(job.id, job);
  return [...known.values()].filter((one) => !dismissed.has(one.id));
}

let timer;
let seen = "";
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
  const active = shown.some((one) => !OVER.includes(one.status));
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
  panel.replaceChildren(...(active || state.sending ? underway(jobs) : finished(jobs)));
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
  const facts = [
    `${done} of ${plural(files, "document")}`,
    pages && plural(pages, "page"),
    progress && progress.pages_per_second >= 0.05 && `${progress.pages_per_second.toFixed(1)} pages a second`,
    left !== null && left > 0.5 && `about ${duration(left)} left`,
    state.sending && `${state.sending.done} of ${plural(state.sending.total, "file")} sent`,
  ];
  const title = stopped ? el("p", { class: "bad" }, stopped.reason) : el("p", {}, "Reading ", progress?.document ? nameNode(progress.document) : "your documents…");
  return [
    el("div", { class: "progress-head" }, title, ...controls(jobs, stopped)),
    el("progress", { max: Math.max(1, files), value: done + 0.001, "aria-label": "Documents read" }),
    el("p", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
  ];
}

function controls(jobs, stopped) {
  const active = jobs.filter((one) => !OVER.includes(one.status));
  const cancel = () => attempt(() => Promise.all(active.map((one) => call("DELETE", `jobs/${one.id}`))).then(watch));
  const resume = () => attempt(() => call("POST", `jobs/${stopped.id}/resume`).then(watch));
  return [stopped ? textButton("again", "Go on", resume) : null, textButton("close", "Cancel", cancel)];
}

function finished(jobs) {
  began = 0;
  const count = (...wanted) => total(jobs, (one) => wanted.reduce((sum, status) => sum + (one.counts[status] ?? 0), 0));
  const read = count("indexed", "unchanged");
  const facts = [
    read && `${plural(read, "document")} read`,
    count("partial") && `${plural(count("partial"), "document")} read in part`,
    count("failed") && `${count("failed")} not read`,
    count("skipped") && `${count("skipped")} skipped`,
    jobs.some((one) => one.status === "cancelled") && "cancelled",
  ].filter(Boolean);
  const dismiss = () => {
    for (const one of jobs) dismissed.add(one.id);
    known.clear();
    $("progress").replaceChildren();
    $("progress").hidden = true;
  };
  const collection = state.collections.find((one) => one.name === jobs.at(-1)?.collection);
  const sentence = facts.length ? `${facts.join(", ")}.` : "Nothing was read.";
  if ($("progress").dataset.said !== seen) announce(sentence);
  $("progress").dataset.said = seen;
  return [
    el(
      "div",
      { class: "progress-head" },
      el("p", {}, sentence),
      collection && textButton("list", "What was read", () => showDocuments(collection)),
      textButton("close", "Dismiss", dismiss),
    ),
  ];
}

export async function start() {
  // What was through before this page was opened is old news; the ledger has it.
  await attempt(async () => {
    const { jobs } = await call("GET", "jobs");
    for (const one of jobs) if (OVER.includes(one.status)) dismissed.add(one.id);
  });
  on("uploaded sending", watch);
  await watch();
}
