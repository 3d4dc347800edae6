// Side by side: one question, two or more models or settings, the same evidence. It takes the conversation's place while it is open.

import { call, offers, stream } from "./api.js";
import { Column } from "./compare_column.js";
import { contenders as contendersOf } from "./compare_contenders.js";
import { table } from "./compare_table.js";
import { attempt, tell } from "./dialogs.js";
import { $, announce, el, textButton } from "./dom.js";
import { loadModels } from "./preferences.js";
import { on, state } from "./state.js";
import { parted, TurnView } from "./turns.js";

let running = null; // { abort, key, stopping }
let view = null; // the nodes while it is open

/** Open the comparison, in place of the conversation. */
export async function showCompare() {
  if (!view) view = build();
  $("compare").replaceChildren(...view.nodes);
  toggle(true);
  const last = [...document.querySelectorAll("#talk .asked h2")].at(-1)?.textContent ?? "";
  if (!view.question.value) view.question.value = $("question").value.trim() || last;
  if (!state.shelf) await attempt(loadModels);
  view.contenders.begin();
  view.question.focus();
  await attempt(view.table.load);
}

/** Stop what is being compared, the first time, or else go back to the conversation; false where it isn't open. */
export function closeCompare() {
  if ($("compare").hidden) return false;
  if (running && !running.stopping) stop();
  else leave();
  return true;
}

/** Back to the conversation. A comparison under way goes on, and is found here again. */
function leave() {
  toggle(false);
  $("question").focus();
}

function toggle(open) {
  $("compare").hidden = !open;
  $("talk").hidden = open;
  document.body.classList.toggle("comparing", open);
  $("open-compare").setAttribute("aria-pressed", String(open));
}

function build() {
  const question = el("textarea", { id: "compare-question", rows: 2, dir: "auto", maxlength: 4000, required: true });
  const contenders = contendersOf();
  const together = el("input", { type: "checkbox", id: "compare-together" });
  const ask = el("button", { type: "submit", class: "primary" }, "Ask them all");
  const halt = el("button", { type: "button", class: "danger", hidden: true, onclick: stop }, "Stop");
  const result = el("div", { class: "compared" });
  const told = table((comparison) => reopen(mine, comparison));
  const form = el(
    "form",
    { class: "stack compare-form" },
    el("div", { class: "field" }, el("label", { for: question.id }, "One question"), question),
    el("fieldset", {}, el("legend", {}, "Who answers it"), ...contenders.nodes),
    el("p", { class: "choice" }, together, el("label", { for: together.id }, "All at the same time, as far as memory allows. One after the other, the times can be compared.")),
    el("div", { class: "dialog-actions start" }, ask, halt),
  );
  const mine = { question, contenders, together, ask, halt, result, table: told };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(mine);
  });
  const head = el(
    "div",
    { class: "compare-head" },
    el("h2", { id: "compare-title" }, "Side by side"),
    textButton("back", "Back to the conversation", leave),
  );
  ask.disabled = !state.collection;
  return { ...mine, nodes: [head, el("p", { class: "quiet" }, "The same passages are found for all, and each is given as many of them as suit it. Nothing of it goes into the conversation."), form, result, told.node] };
}

/** The places for what is found, what is said of it, and the columns. */
function lay(result, words) {
  const shared = new TurnView(words, { again: () => {}, edit: () => {} });
  const columnsNode = el("div", { class: "columns" });
  const note = el("p", { class: "quiet", role: "status" });
  result.replaceChildren(el("h3", { class: "compared-question", dir: "auto" }, words), note, shared.parts.evidence, shared.parts.quotes, columnsNode);
  result.scrollIntoView({ block: "start" });
  return { shared, columnsNode, note };
}

/** One that is kept, as it was. */
function reopen({ question, result }, comparison) {
  if (running) return tell("One at a time", "A comparison is under way. Stop it, or wait for its end, and open another then.");
  const { shared, columnsNode, note } = lay(result, comparison.question);
  question.value = comparison.question;
  note.textContent = comparison.note;
  const { answer } = comparison.results.find((one) => one.answer) ?? {};
  if (answer) {
    const { lead } = parted(answer);
    shared.evidence(answer.evidence);
    shared.quotes(answer.citations.filter((one) => lead.includes(one.marker)));
  }
  comparison.results.forEach((one, index) => {
    const column = new Column(comparison.question, one.contender, index);
    columnsNode.append(column.node);
    if (!one.answer) return column.fail(one.failure || "Its answer was deleted with its document.");
    column.finish(one.answer);
    return column.complete(comparison);
  });
}

async function run({ question, contenders, together, ask, halt, result, table: told }) {
  const words = question.value.trim();
  if (running || !words || !state.collection) return;
  const { shared, columnsNode, note } = lay(result, words);
  const columns = [];
  const mine = { abort: new AbortController(), key: null };
  running = mine;
  ask.hidden = true;
  halt.hidden = false;
  announce("Looking for passages.");
  const all = {
    started({ key, contenders: them, sentence }) {
      mine.key = key;
      note.textContent = sentence ?? "";
      columns.push(...them.map((one, index) => new Column(words, one, index)));
      columnsNode.replaceChildren(...columns.map((one) => one.node));
    },
    evidence_ready(found) {
      shared.evidence(found.evidence, found);
      announce(`${found.evidence.length} passages found, the same for all.`);
    },
    quotes_ready({ citations }) {
      shared.quotes(citations);
      for (const one of columns) one.cite(citations);
    },
    compared({ comparison }) {
      mine.over = true;
      note.textContent = comparison.note;
      for (const one of columns) one.complete(comparison);
      announce("All have answered. You can vote for the best.");
    },
    error({ message }) {
      mine.over = true;
      note.replaceChildren(el("span", { class: "bad" }, message));
    },
  };
  try {
    const body = { question: words, contenders: contenders.chosen(), together: together.checked };
    await stream(`collections/${state.collection.id}/compare`, body, mine.abort.signal, (name, value) => {
      if (Number.isInteger(value.contender)) columns[value.contender]?.receive(name, value);
      else all[name]?.(value);
    });
    if (!mine.over) throw new Error("The comparison broke off. Ask again.");
  } catch (error) {
    note.replaceChildren(el("span", { class: "bad", role: "alert" }, error.name === "AbortError" ? "Stopped." : error.message));
  } finally {
    for (const one of columns) one.over();
    running = null;
    const haltHadFocus = document.activeElement === halt;
    ask.hidden = false;
    halt.hidden = true;
    if (haltHadFocus) ask.focus();
    await attempt(told.load);
  }
}

function stop() {
  if (!running) return;
  const mine = running;
  mine.stopping = true;
  if (mine.key) call("DELETE", `answers/${mine.key}`).catch(() => mine.abort.abort());
  else mine.abort.abort();
  announce("Stopping.");
}

export function start() {
  $("open-compare").hidden = !offers("comparisons");
  $("open-compare").addEventListener("click", () => ($("compare").hidden ? showCompare() : leave()));
  // Whoever opens a conversation or another collection wants to see it.
  on("conversation", () => $("compare").hidden || leave());
  on("models", () => view?.contenders.refresh());
  on("collection", () => view && (view.ask.disabled = !state.collection));
  // What is asked in the conversation is seen there; a comparison under way goes on meanwhile.
  on("answering", () => state.answering && toggle(false));
}
