// How answers are written: each parameter with its sentence and its cost, set for a conversation or a collection, and always reset-able.

import { call, offers } from "./api.js";
import { attempt, dialog } from "./dialogs.js";
import { $, announce, choice, el, textButton, visible } from "./dom.js";
import { row } from "./parameter.js";
import * as preferences from "./preferences.js";
import { on, state } from "./state.js";

const PRESETS = [
  ["exact", "Exact", "The likeliest words, the same each time: for facts."],
  ["balanced", "Balanced", "A little variety in the wording."],
  ["free", "Free", "For drafts and ideas, not for facts."],
];

let known = null; // { ranges, presets }

/** Where what is set is kept: `told()` gives { parameters, model, effective, sentence }, `put({ parameters, model })` keeps. */
function scopes() {
  const collection = state.collection && `collections/${state.collection.id}/parameters`;
  const conversation = {
    words: state.conversation ? `This conversation: “${visible(state.conversation.title)}”` : "This conversation, which begins with the next question",
    told: async () => {
      if (state.conversation) return call("GET", `conversations/${state.conversation.id}/parameters`);
      const below = collection ? await call("GET", collection) : { parameters: {}, effective_model: "" };
      const { defaults } = await call("GET", `parameters?model=${encodeURIComponent(state.own.model || below.effective_model)}`);
      return { ...state.own, effective: { ...defaults, ...below.parameters, ...state.own.parameters }, sentence: "" };
    },
    put: preferences.setOwn,
  };
  const whole = collection && {
    words: `The collection “${visible(state.collection.name)}”, and every new conversation about it`,
    told: () => call("GET", collection),
    put: (wanted) => call("PUT", collection, wanted),
  };
  return whole ? { conversation, collection: whole } : { conversation };
}

const outside = (range) => `${range.title} must be ${range.kind === "int" ? "a whole number" : "a number"} from ${range.least.toLocaleString("en")} to ${range.most.toLocaleString("en")}.`;

export async function showParameters() {
  if (!known) known = await attempt(() => call("GET", "parameters"));
  if (!known) return;
  const all = scopes();
  let scope = all.conversation;
  let answerer = ""; // the model that is set here
  let before = Promise.resolve(); // one after the other: what is kept builds on what was kept before
  const said = el("p", { class: "quiet", role: "status" });
  const rows = new Map();

  const show = ({ parameters, model: name, effective, sentence }, anew) => {
    answerer = model.value = name;
    gone.textContent = sentence ?? "";
    for (const [of, one] of rows) one.show(effective[of] ?? null, of in parameters, anew);
    const set = Object.keys(parameters).length;
    const count = set + (name ? 1 : 0);
    said.textContent = count ? `${count} changed here. The next question is answered with that.` : "Nothing is changed here.";
    reset.disabled = !set;
    for (const [name] of PRESETS) presets[name].setAttribute("aria-pressed", String(fits(known.presets[name], effective)));
  };
  const after = (work) => (before = before.then(work));
  const load = () => after(() => attempt(async () => show(await scope.told(), true)));
  /** Keep what `wanted` makes of what is set there by then; a refusal is given back in its one sentence. */
  const keep = (wanted, anew = false) => {
    const where = scope;
    return after(async () => {
      try {
        const { parameters, model: name } = await where.told();
        await where.put({ parameters, model: name, ...wanted(parameters) });
        if (where === scope) show(await where.told(), anew);
        if (where === all.collection) await preferences.load();
        return "";
      } catch (error) {
        return error.message;
      }
    });
  };
  const set = (name, value) =>
    keep(({ [name]: _, ...rest }) => ({ parameters: value === null ? rest : { ...rest, [name]: value } }));
  const allAtOnce = async (wanted, words) => {
    const refusal = await keep(wanted, true);
    if (refusal) said.textContent = refusal;
    else announce(words);
  };
  const pick = (name, words) => allAtOnce((parameters) => ({ parameters: { ...parameters, ...known.presets[name] } }), `${words}.`);
  const reset = textButton("again", "Reset", () => allAtOnce(() => ({ parameters: {} }), "No parameter is changed here any more."));
  const presets = Object.fromEntries(PRESETS.filter(([name]) => known.presets[name]).map(([name, words]) => [name, el("button", { type: "button", "aria-pressed": "false", onclick: () => pick(name, words) }, words)]));
  const models = (state.shelf?.models ?? []).map((one) => [one.name, visible(one.title)]);
  const model = choice([["", "the one that is chosen for answering"], ...models], "", { id: "parameters-model" });
  const gone = el("p", { class: "bad", role: "status" });
  model.addEventListener("change", async () => {
    const { value } = model;
    const refusal = await keep(() => ({ model: value }));
    if (!refusal) return;
    model.value = answerer;
    gone.textContent = refusal;
  });
  const limits = { context: trained(), threads: navigator.hardwareConcurrency };
  for (const range of known.ranges.filter((one) => one.panel !== false)) rows.set(range.name, row(range, { set, outside, most: limits[range.name] }));
  const choices = Object.entries(all).map(([name, one], index) => {
    const radio = el("input", { type: "radio", name: "scope", id: `scope-${name}`, value: name, onchange: () => ((scope = one), load()) });
    radio.checked = index === 0;
    return el("p", { class: "choice" }, radio, el("label", { for: radio.id }, one.words));
  });
  const content = el(
    "div",
    { class: "stack" },
    el("fieldset", {}, el("legend", {}, "It holds for"), ...choices),
    models.length > 1 && el("div", { class: "field" }, el("label", { for: model.id }, "Answered by"), model, gone),
    el("section", { class: "group", "aria-labelledby": "presets-title" }, el("h3", { id: "presets-title" }, "All at once"), el("ul", { class: "presets" }, ...PRESETS.filter(([name]) => presets[name]).map(([name, , meaning]) => el("li", {}, presets[name], el("span", { class: "quiet" }, meaning))))),
    el("div", { class: "rows" }, ...[...rows.values()].map((one) => one.node)),
    el("div", { class: "dialog-foot" }, said, reset),
  );
  // Opened once it is known what holds: what came later would undo what was typed.
  await load();
  dialog("Parameters", content, { wide: true });
}

const fits = (preset, effective) => Boolean(preset) && Object.entries(preset).every(([name, value]) => effective[name] === value);

/** As far as the model in use was trained, which is less than what the program would take. */
function trained() {
  const name = state.own?.model || state.preferences?.effective_model || state.shelf?.purposes.answering;
  return state.shelf?.models.find((one) => one.name === name)?.trained_context || undefined;
}

export function start() {
  $("open-parameters").hidden = !offers("parameters");
  $("open-parameters").addEventListener("click", showParameters);
  on("preferences", () => $("open-parameters").classList.toggle("changed", Object.keys(state.own?.parameters ?? {}).length > 0 || Object.keys(state.preferences?.parameters ?? {}).length > 0));
}
