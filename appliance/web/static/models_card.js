// One model on the shelf: what it is, what it may be used for, what it needs here, how quick it is, and what can be done with it.

import { call, file } from "./api.js";
import { attempt, confirm } from "./dialogs.js";
import { announce, day, el, figure, nameNode, save, size, textButton, visible } from "./dom.js";

const measuring = new Set();

export const isBeingMeasured = (name) => measuring.has(name);

/** `uses`: what it is chosen for, in words. `actions`: { use(name, purpose), reload(), show() }. */
export function card(model, uses, actions) {
  const [standing, ...reason] = model.state.split(": ");
  const failed = standing === "failed";
  const facts = [
    model.family,
    model.parameters && `${model.parameters} parameters`,
    model.quantisation,
    model.context && `reads ${model.context.toLocaleString("en")} tokens at once${model.trained_context > model.context ? ` (of ${model.trained_context.toLocaleString("en")} that it was trained for)` : ""}`,
    model.size && `${size(model.size)} on the disk`,
    model.can_call_tools && "can call tools",
  ].filter(Boolean);
  const head = el(
    "div",
    { class: "model-head" },
    el("h4", {}, nameNode(model.title)),
    uses.length > 0 && el("span", { class: "tag good" }, uses.join(", ")),
    el("span", { class: `tag ${failed ? "bad" : ""}` }, STATES[standing] ?? standing),
    !model.fits && el("span", { class: "tag bad" }, "won't fit"),
  );
  return el(
    "li",
    { class: "model", "data-name": model.name },
    head,
    el("p", { class: "quiet" }, facts.join(" · ")),
    model.good_for && el("p", {}, `Good for: ${model.good_for}`),
    model.advice && el("p", { class: "quiet" }, model.advice),
    failed && el("p", { class: "bad" }, reason.join(": ")),
    el(
      "dl",
      { class: "facts" },
      el("dt", {}, "Licence"),
      el("dd", {}, licence(model)),
      el("dt", {}, "Memory"),
      el("dd", { class: model.fits ? false : "bad" }, memory(model)),
      el("dt", {}, "Speed here"),
      el("dd", {}, speed(model)),
    ),
    buttons(model, uses, actions),
    model.template && el("details", { "data-part": "template" }, el("summary", { "data-act": "template" }, "Show its chat template"), el("pre", { class: "code", tabindex: "0", role: "region", "aria-label": `Chat template of ${visible(model.title)}` }, visibleLines(model.template))),
  );
}

const STATES = { idle: "not loaded", loading: "is being loaded", ready: "loaded", busy: "is writing", failed: "can't be loaded" };

const visibleLines = (text) => text.split("\n").map(visible).join("\n");

function licence({ licence: name, may_be_carried: carried, licence_sentence: sentence }) {
  if (sentence) return name && !sentence.startsWith(name) ? `${visible(name)}: ${sentence}` : sentence;
  const words = name ? visible(name) : "not told by its file";
  if (carried === true) return `${words}: it may be passed on with the stick`;
  if (carried === false) return `${words}: it may be used here, and not be passed on with the stick`;
  return `${words}: whether it may be passed on with the stick is not known`;
}

function memory(model) {
  if (!model.fits) return model.sentence;
  const held = model.resident_bytes ? `, holds ${size(model.resident_bytes)} now` : "";
  return `needs about ${size(model.memory_bytes)} here${held}`;
}

function speed(model) {
  if (isBeingMeasured(model.name)) return "is being measured: it reads a page and writes a little…";
  if (!model.speed) return "not measured yet";
  const { reading, writing, when } = model.speed;
  return `writes ${figure(writing)} and reads ${figure(reading)} tokens a second${when ? ` (measured ${day(when)})` : ""}`;
}

function buttons(model, uses, { use, reload, show }) {
  const answers = uses.includes("Answering");
  const blocked = !model.fits && model.state !== "ready";
  const busy = isBeingMeasured(model.name);
  const measure = async () => {
    measuring.add(model.name);
    show();
    announce(`${visible(model.title)} is being measured.`);
    await attempt(async () => {
      try {
        await call("POST", `models/${encodeURIComponent(model.name)}/measure`);
      } finally {
        measuring.delete(model.name);
        show();
      }
      announce(`${visible(model.title)} is measured.`);
    }, "It could not be measured");
    await attempt(reload);
  };
  const remove = async () => {
    const sentence = `The copy of “${visible(model.title)}” that Haversack made (${size(model.size)}) will be deleted. The file that it was added from stays where it is, and so do conversations and answers.`;
    if (!(await confirm("Remove this model?", sentence, "Remove it"))) return;
    await attempt(async () => {
      await call("DELETE", `models/${encodeURIComponent(model.name)}`);
      announce(`${visible(model.title)} is removed.`);
      await reload();
    });
  };
  const modelfile = () => attempt(async () => save(await file(`models/${encodeURIComponent(model.name)}/modelfile`), `${model.name}.Modelfile`));
  const more = (act, words = LABELS[act]) => ({ "data-act": act, "aria-label": `${words}: ${visible(model.title)}` });
  const again = model.speed ? "Measure again" : "Measure";
  return el(
    "div",
    { class: "model-actions" },
    !answers && el("button", { type: "button", onclick: () => use(model.name, "answering"), disabled: blocked, ...more("use") }, LABELS.use),
    textButton("again", again, measure, { disabled: busy || blocked, ...more("measure", again) }),
    textButton("export", LABELS.modelfile, modelfile, more("modelfile")),
    model.origin === "added" && textButton("remove", LABELS.remove, remove, more("remove")),
  );
}

const LABELS = { use: "Use for answering", modelfile: "Export Modelfile", remove: "Remove" };
