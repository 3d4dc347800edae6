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

let known = null; // { ranges, presets, defaults }

/** Where what is set is kept: `told()` gives { parameters, model, effective, sentence }, `put({ parameters, model })` keeps, `reset()` takes back. */
function scopes() {
  const collection = state.collection && `collections/${state.collection.id}/parameters`;
  const conversation = {
    words: state.conversation ? `This conversation: “${visible(state.conversation.title)}”` : "This conversation, which begins with the next question",
    told: async () => {
      if (state.conversation) return call("GET", `conversations/${state.conversation.id}/parameters`);
      const below = collection ? await call("GET", collection) : { effective: known.defaults };
      return { ...state.own, effective: { ...below.effective, ...state.own.parameters }, sentence: "" };
    },
    put: preferences.setOwn,
    reset: () => preferences.setOwn({ parameters: {}, model: "" }),
  };
  const whole = collection && {
    words: `The collection “${visible(state.collection.name)}”, and every new conversation about it`,
    told: () => call("GET", collection),
    put: (wanted) => call("PUT", collection, wanted),
    reset: () => call("DELETE", collection),
  };
  return whole ? { conversation, collection: whole } : { conversation };
}

const outside = (range) => `${range.title} must be ${range.kind === "int" ? "a whole number" : "a number"} from ${range.least.toLocaleString("en")} to ${range.most.toLocaleString("en")}.`;

export async function showParameters() {
  if (!known) known = await attempt(() => call("GET", "parameters"));
  if (!known) return;
  const all = scopes();
  let scope = all.conversation;
  let held = { parameters: {}, model: "", effective: known.defaults };
  const said = el("p", { class: "quiet", role: "status" });
  const rows = new Map();

  const show = (found) => {
    held = { parameters: found.parameters, model: found.model, effective: { ...known.defaults, ...found.effective } };
    model.value = held.model;
    gone.textContent = found.sentence ?? "";
    for (const [name, one] of rows) one.show(held.effective[name] ?? null, name in held.parameters);
    const count = Object.keys(held.parameters).length + (held.model ? 1 : 0);
    said.textContent = count ? `${count} changed here. The next question is answered with that.` : "Nothing is changed here.";
    reset.disabled = !count;
    for (const [name] of PRESETS) presets[name].setAttribute("aria-pressed", String(fits(known.presets[name], held.effective)));
  };
  const load = () => attempt(async () => show(await scope.told()));
  /** Keep these; a refusal is given back in its one sentence. */
  const keep = async (parameters, model = held.model) => {
    try {
      await scope.put({ parameters, model });
      show(await scope.told());
      if (scope === all.collection) await preferences.load();
      return "";
    } catch (error) {
      return error.message;
    }
  };
  const set = (name, value) => {
    const { [name]: _, ...rest } = held.parameters;
    return keep(value === null ? rest : { ...rest, [name]: value });
  };
  const pick = async (name, words) => {
    const refusal = await keep({ ...held.parameters, ...known.presets[name] });
    if (refusal) said.textContent = refusal;
    else announce(`${words}.`);
  };
  const reset = textButton("again", "Reset", () =>
    attempt(async () => {
      await scope.reset();
      show(await scope.told());
      if (scope === all.collection) await preferences.load();
      announce("Everything is as the model has it.");
    }),
  );
  const presets = Object.fromEntries(PRESETS.filter(([name]) => known.presets[name]).map(([name, words]) => [name, el("button", { type: "button", "aria-pressed": "false", onclick: () => pick(name, words) }, words)]));
  const models = (state.shelf?.models ?? []).map((one) => [one.name, visible(one.title)]);
  const model = choice([["", "the one that is chosen for answering"], ...models], "", { id: "parameters-model" });
  const gone = el("p", { class: "bad", role: "status" });
  model.addEventListener("change", async () => {
    gone.textContent = await keep(held.parameters, model.value);
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
  const name = state.own.model || state.preferences?.effective_model || state.shelf?.purposes.answering;
  return state.shelf?.models.find((one) => one.name === name)?.trained_context || undefined;
}

export function start() {
  $("open-parameters").hidden = !offers("parameters");
  $("open-parameters").addEventListener("click", showParameters);
  on("preferences", () => $("open-parameters").classList.toggle("changed", Object.keys(state.own.parameters).length > 0 || Object.keys(state.preferences?.parameters ?? {}).length > 0));
}
