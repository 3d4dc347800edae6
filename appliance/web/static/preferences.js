// What answers here, and how: the models that are there, and the parameters and the model that the open conversation or its collection
// set. A conversation that has not begun keeps its own until the first answer makes it.

import { call, offers } from "./api.js";
import { attempt } from "./dialogs.js";
import { $, announce, el, visible } from "./dom.js";
import { change, on, state } from "./state.js";

const nothing = () => ({ parameters: {}, model: "" });
const path = () => (state.conversation ? `conversations/${state.conversation.id}` : state.collection ? `collections/${state.collection.id}` : null);

let turn = 0;
let kept = Promise.resolve(); // what is being kept now, one after the other
let shown = null; // where what is in `state.own` was set

export async function loadModels() {
  if (offers("models")) change("models", { shelf: await call("GET", "models") });
}

/** Another conversation, or another collection's next one, begins with nothing of its own, at once: what is chosen while its preferences are on their way holds. */
function moved() {
  if (path() !== shown) change("preferences", { own: state.conversation ? null : nothing() });
  return stayed();
}

function stayed() {
  shown = path();
  return load();
}

/** What holds for the open conversation, after all that is being kept: else that would be undone here. */
export const load = () => kept.then(read);

async function read() {
  const mine = (turn += 1);
  const where = path();
  const found = where && offers("parameters") ? await call("GET", `${where}/parameters`).catch(() => null) : null;
  if (mine !== turn) return;
  change("preferences", { preferences: found, own: state.conversation && found ? { parameters: found.parameters, model: found.model } : state.own });
}

/** What the open conversation sets for itself. Where that could not be read it is asked for again: nothing is kept in the place of what nobody knows. */
async function known() {
  if (!state.own) await read();
  if (!state.own) throw new Error("What is set for this conversation can't be read now, so nothing was changed. Try again.");
  return state.own;
}

function inOrder(keeping) {
  const mine = kept.then(keeping);
  kept = mine.catch(() => {}); // whoever asked for it is told
  return mine;
}

/** Ends when all that was chosen is kept: a question is answered with what was chosen before it. */
export const settled = () => kept;

/** Set what the conversation has for itself: kept with it, or until it begins. */
export async function setOwn(own) {
  const { conversation } = state;
  if (!conversation) return change("preferences", { own });
  return inOrder(() => put(conversation, own));
}

/** The model alone, beside what is set already. */
async function setModel(model) {
  const { conversation } = state;
  if (!conversation) return change("preferences", { own: { ...state.own, model } });
  return inOrder(async () => put(conversation, { ...(await known()), model }));
}

async function put(conversation, own) {
  turn += 1; // what is being read tells of before
  const found = await call("PUT", `conversations/${conversation.id}/parameters`, own);
  if (state.conversation?.id === conversation.id) change("preferences", { preferences: found ?? state.preferences, own });
}

/** What goes with a question: a conversation that is kept has told the appliance already. */
export function withQuestion() {
  const { own, conversation } = state;
  if (conversation) return {};
  return { ...(own.model && { model: own.model }), ...(Object.keys(own.parameters).length && { parameters: own.parameters }) };
}

/** The first answer made the conversation: what was set for it goes with it. */
export async function keep(conversation) {
  const { own } = state;
  if (state.conversation || !offers("parameters") || (!own.model && !Object.keys(own.parameters).length)) return;
  await inOrder(() => put(conversation, own));
}

export const title = (name) => state.shelf?.models.find((one) => one.name === name)?.title ?? name;

/** "Answer with": where there is more than one model. */
function showChoice() {
  const models = state.shelf?.models ?? [];
  $("answerer").hidden = models.length < 2;
  const chosen = state.own?.model || state.preferences?.effective_model || state.shelf?.purposes.answering || "";
  const options = models.map((one) => el("option", { value: one.name, disabled: !one.fits && one.state !== "ready" }, visible(one.title) + (one.fits ? "" : " (won't fit)")));
  $("answer-with").replaceChildren(...options);
  $("answer-with").value = chosen;
}

export function start() {
  on("models preferences", showChoice);
  on("conversation collection", moved);
  on("kept", stayed); // the conversation that was begun: what was set for it goes with it
  $("answer-with").addEventListener("change", () =>
    attempt(async () => {
      const model = $("answer-with").value;
      try {
        await setModel(model);
        announce(`${visible(title(model))} answers from here on. The conversation goes on.`);
      } finally {
        showChoice(); // what was refused doesn't stay there as if it held
      }
    }),
  );
}
