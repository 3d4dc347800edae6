// The conversation in the middle: asking, streaming, stopping; the kept answers; and what is shown before the first question.

import { call, isGuest, stream } from "./api.js";
import { attempt, tell } from "./dialogs.js";
import { $, announce, duration, el, icon, nameNode, textButton, visible } from "./dom.js";
import { UNSUPPORTED } from "./render.js";
import * as preferences from "./preferences.js";
import { loadConversations } from "./sidebar.js";
import { change, on, state } from "./state.js";
import { TurnView } from "./turns.js";

const EXAMPLES = ["What happens to a scanned page?", "Which files can be read?", "What does a citation prove?"];
const STEPS = [
  isGuest
    ? ["folder", "Choose a collection", "They stand at the left, or behind the menu. They lie on another machine: what you ask and read crosses this network unencrypted."]
    : ["folder", "Put documents in", "Drop files or whole folders anywhere on this page. They are read here, by this machine, and go nowhere."],
  ["ask", "Ask in your own words", "“When was the clinic opened?” finds more than “clinic”. Names, dates and numbers help most."],
  ["find", "Check the source", "A click on a number such as [1] opens the page it came from, with the passage marked."],
];
const CUT_OFF = "The answer that was being written was stopped. What there was of it is kept in its conversation.";

let running = null; // { view, key, abort, stopping }
let shownConversation = null;

const actions = { again: (question) => ask(question), edit };

function edit(question) {
  const box = $("question");
  box.value = question;
  box.dispatchEvent(new Event("input"));
  box.focus();
}

/** Whether there is anything to ask; told where there isn't. */
export function canAsk() {
  if (!state.collection) tell("No documents yet", isGuest ? "Nothing is in this library yet. Ask whoever shares it." : "Add documents first: then there is something to ask.");
  return Boolean(state.collection);
}

export function ask(question) {
  if (!canAsk()) return undefined;
  return run(question, `collections/${state.collection.id}/ask`, { question, documents: state.scope });
}

export const overview = () => state.collection && run("What is in here?", `collections/${state.collection.id}/overview`, {}, { whole: true });

export const summarise = (document) => run(`Summarise ${visible(document.name)}`, `documents/${document.id}/summary`, {}, { whole: true });

async function run(question, path, body, options = {}) {
  if (running) return tell("One at a time", "An answer is being written. Stop it, or wait for its end, and ask then.");
  const view = new TurnView(question, actions, options);
  if (!$("talk").querySelector(".turn")) $("talk").replaceChildren();
  $("talk").append(view.node);
  view.node.scrollIntoView({ block: "start" });
  view.doing(options.whole ? "Reading all of it…" : "Looking for passages…");
  announce(options.whole ? "Reading all of it." : "Looking for passages.");
  const mine = { view, key: null, abort: new AbortController(), stopping: false, prose: "", sentences: [] };
  running = mine;
  change("answering", { answering: true });
  try {
    await preferences.settled();
    if (mine.stopping) return view.failed("Stopped."); // another conversation was opened meanwhile, say
    await stream(path, { ...body, ...preferences.withQuestion(), conversation: state.conversation?.id ?? null }, mine.abort.signal, (name, value) => receive(mine, name, value));
    if (!mine.over) throw new Error("The answer broke off. Ask again.");
  } catch (error) {
    view.failed(error.name === "AbortError" ? "Stopped." : error.message);
  } finally {
    running = null;
    change("answering", { answering: false });
    if (document.activeElement === document.body) $("question").focus();
  }
}

const HANDLERS = {
  started(mine, { key }) {
    mine.key = key;
    if (mine.stopping) stop();
  },
  queued: (mine, { ahead }) => mine.view.doing(`${ahead === 1 ? "One question is" : `${ahead} questions are`} before this one…`),
  evidence_ready(mine, found) {
    mine.view.searched(found.searched_for);
    mine.view.evidence(found.evidence, found);
    mine.view.doing(state.status?.readiness.generator === "ready" ? "Writing…" : "The language model is being loaded. The passages above are there to be read already…");
    if (!mine.view.whole) announce(`${found.evidence.length} passages found.`);
  },
  quotes_ready(mine, { citations }) {
    mine.view.quotes(citations);
    for (const one of citations) announce(`Quote ${one.marker}: ${one.quote}`);
  },
  progress(mine, { phase, done, total, seconds_left: left }) {
    const bar = total > 0 && el("progress", { max: total, value: done, "aria-label": `${phase}: ${done} of ${total}` });
    const words = phase === "reading" ? "The model reads the passages" : `${phase[0].toUpperCase()}${phase.slice(1)}: ${done} of ${total}`;
    mine.view.doing(words, left === null ? "" : `, about ${duration(left)} left`, bar);
  },
  delta(mine, { text }) {
    mine.prose += text;
    mine.view.doing();
    mine.view.write(mine.prose, mine.sentences, true);
  },
  sentence_checked(mine, { sentence, citations }) {
    mine.view.cite(citations);
    mine.sentences = [...mine.sentences, sentence];
    mine.view.write(mine.prose, mine.sentences, true);
    announce(sentence.text + (sentence.supported ? "" : ` (${UNSUPPORTED})`));
  },
  kept(mine, { answer, conversation }) {
    mine.over = true;
    mine.view.finish(answer);
    announce(answer.refused ? answer.answer : "The answer is complete.");
    attempt(() => preferences.keep(conversation));
    if (mine.view.node.isConnected) {
      shownConversation = conversation.id;
      change("kept", { conversation });
    }
    attempt(loadConversations);
  },
  error(mine, { message }) {
    mine.over = true;
    mine.view.failed(message);
  },
};

const receive = (mine, name, value) => HANDLERS[name]?.(mine, value);

/** Stop the answer under way; what was written stays. */
export function stop() {
  if (!running) return false;
  running.stopping = true;
  running.view.doing("Stopping…");
  const mine = running;
  if (mine.key) call("DELETE", `answers/${mine.key}`).catch(() => mine.abort.abort());
  return true;
}

/** Passages only: no model, no answer, nothing kept. */
export async function findPassages(query) {
  if (!state.collection || !query) return;
  const view = new TurnView(query, actions);
  if (!$("talk").querySelector(".turn")) $("talk").replaceChildren();
  $("talk").append(view.node);
  view.doing("Looking for passages…");
  try {
    const found = await call("POST", `collections/${state.collection.id}/search`, { query, documents: state.scope, limit: 10 });
    view.doing();
    view.evidence(found.evidence, { ...found, nearest: false });
    view.parts.evidence.querySelector(".cards")?.classList.add("tall");
    announce(`${found.evidence.length} passages found.`);
  } catch (error) {
    view.failed(error.message);
  }
  view.node.scrollIntoView({ block: "start" });
}

async function showConversation() {
  const wanted = state.conversation?.id ?? null;
  if (wanted === shownConversation && wanted !== null) return;
  shownConversation = wanted;
  const cutOff = stop();
  if (cutOff) announce(CUT_OFF);
  if (wanted === null) {
    showBeginning();
    if (cutOff) $("talk").prepend(cutOffNote());
    return;
  }
  $("talk").replaceChildren(el("p", { class: "quiet working" }, "Opening…"));
  try {
    show(await call("GET", `conversations/${wanted}`), wanted, cutOff);
  } catch (error) {
    if (shownConversation !== wanted) return;
    // It is gone, or can't be read: the next question begins a new one, and a click on this one tries again.
    change("conversation", { conversation: null });
    attempt(async () => {
      await loadConversations();
      throw error;
    }, "It could not be opened");
  }
}

function show({ conversation, answers }, wanted, cutOff) {
  if (shownConversation !== wanted) return;
  const collection = state.collections.find((one) => one.id === conversation.collection_id);
  if (collection && collection.id !== state.collection?.id) {
    change("collection", { collection, scope: null });
    change("scope");
  }
  const views = answers.map((answer) => {
    const view = new TurnView(answer.question, actions);
    view.finish(answer);
    return view.node;
  });
  const last = views.pop();
  const note = cutOff && cutOffNote();
  $("talk").replaceChildren(...[...views, note, last].filter(Boolean));
  (note || last)?.scrollIntoView({ block: "start" });
}

const cutOffNote = () => el("p", { class: "notice" }, CUT_OFF);

export function showBeginning() {
  const { collection } = state;
  const steps = STEPS.map(([name, title, text]) => el("li", {}, el("span", { class: "step-icon" }, icon(name)), el("h3", {}, title), el("p", {}, text)));
  const empty = !collection || collection.documents === 0;
  const hint = empty
    ? el("p", {}, isGuest ? "There is nothing in it yet. Whoever shares this library can add documents." : "Nothing leaves this machine. Drop your first documents here, or use the buttons above.")
    : el("p", {}, "Ask ", nameNode(collection.name), " anything. The answer begins with quotes, each with the page that it stands on.");
  const examples = collection?.name === "guide" && !empty ? el("div", { class: "examples" }, ...EXAMPLES.map((text) => textButton("ask", text, () => ask(text)))) : null;
  const title = empty && !isGuest ? "Put in what you carry, then ask." : "What do you want to know?";
  $("talk").replaceChildren(el("div", { class: "beginning" }, el("h2", {}, title), hint, el("ol", { class: "steps" }, ...steps), examples));
  $("talk").scrollTop = 0;
}

export function start() {
  on("conversation", showConversation);
  on("collection", () => {
    if (state.conversation === null && !$("talk").querySelector(".turn")) showBeginning();
  });
}
