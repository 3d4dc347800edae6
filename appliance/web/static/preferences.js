// What answers here, and how: the models that are there, and the parameters and the model that the open conversation or its collection
// set. A conversation that has not begun keeps its own until the first answer makes it.

import { call, offers } from "./api.js";
import { attempt } from "./dialogs.js";
import { $, announce, el, visible } from "./dom.js";
import { change, on, state } from "./state.js";

const nothing = () => ({ parameters: {}, model: "" });
const path = () => (state.conversation ? `conversations/${state.conversation.id}` : state.collection ? `collections/${state.collection.id}` : null);

let turn = 0;
let shown = null; // whose preferences are in `state.own`

export async function loadModels() {
  if (offers("models")) change("models", { shelf: await call("GET", "models") });
}

/** What holds for the open conversation. A new one begins with nothing of its own. */
export async function load() {
  const mine = (turn += 1);
  const where = path();
  const found = where && offers("parameters") ? await call("GET", `${where}/parameters`).catch(() => null) : null;
  if (mine !== turn) return;
  const before = where === shown ? state.own : state.conversation ? null : nothing();
  shown = where;
  change("preferences", { preferences: found, own: state.conversation && found ? { parameters: found.parameters, model: found.model } : before });
}

/** What the open conversation sets for itself. Where that could not be read it is asked for again: nothing is kept in the place of what nobody knows. */
async function known() {
  if (!state.own) await load();
  if (!state.own) throw new Error("What is set for this conversation can't be read now, so nothing was changed. Try again.");
  return state.own;
}

/** Set what the conversation has for itself: kept with it, or until it begins. */
export async function setOwn(own) {
  if (state.conversation) {
    const found = await call("PUT", `conversations/${state.conversation.id}/parameters`, own);
    change("preferences", { preferences: found ?? state.preferences, own });
  } else {
    change("preferences", { own });
  }
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
  await call("PUT", `conversations/${conversation.id}/parameters`, own);
  if (state.conversation?.id === conversation.id) await load();
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
  on("conversation collection kept", load);
  $("answer-with").addEventListener("change", () =>
    attempt(async () => {
      const model = $("answer-with").value;
      try {
        await setOwn({ ...(await known()), model });
        announce(`${visible(title(model))} answers from here on. The conversation goes on.`);
      } finally {
        showChoice(); // what was refused doesn't stay there as if it held
      }
    }),
  );
}
