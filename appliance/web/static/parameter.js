// One parameter in the panel: its sentence and its cost, a slider where that helps, a field, and the way back.

import { el, textButton } from "./dom.js";

const STEPS = { temperature: 0.05, top_p: 0.01, min_p: 0.01, repeat_penalty: 0.05, context: 256 };
const NO_SLIDER = new Set(["seed"]); // nobody looks for one of four thousand millions with a slider

/**
 * `range`: { name, title, kind, least, most, sentence, cost }. `set(name, value)` keeps a value, null for the way back, and gives
 * a sentence where it is refused. `most`: where the slider ends, if before the range does.
 */
export function row(range, { set, outside, most = range.most }) {
  const id = `parameter-${range.name}`;
  const text = range.least === null;
  const described = `${id}-note ${id}-error`;
  const field = text
    ? el("textarea", { id, rows: 3, dir: "auto", maxlength: 4000, "aria-describedby": described })
    : el("input", { id, type: "number", step: "any", min: range.least, max: range.most, inputmode: range.kind === "int" ? "numeric" : "decimal", autocomplete: "off", "aria-describedby": described });
  const slider = !text && !NO_SLIDER.has(range.name) && el("input", { type: "range", min: range.least, max: Math.max(range.least, Math.min(range.most, most ?? range.most)), step: STEPS[range.name] ?? 1, "aria-label": `${range.title}, by slider` });
  const error = el("p", { class: "bad", id: `${id}-error`, role: "alert" });
  const changed = el("span", { class: "tag changed", hidden: true }, "changed");
  let shown = "";

  const refuse = (sentence) => {
    error.textContent = sentence;
    if (sentence) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  };
  const take = async () => {
    refuse("");
    if (field.value === shown && !field.validity.badInput) return undefined;
    if (text) return refuse(await set(range.name, field.value.trim() || null));
    const value = Number(field.value);
    const right = field.value.trim() !== "" && Number.isFinite(value) && value >= range.least && value <= range.most && (range.kind !== "int" || Number.isInteger(value));
    return refuse(right ? await set(range.name, value) : outside(range));
  };
  field.addEventListener("change", take);
  if (slider) {
    slider.addEventListener("input", () => (field.value = slider.value));
    slider.addEventListener("change", take);
  }
  const back = textButton(
    "again",
    "Back",
    async () => {
      refuse("");
      refuse(await set(range.name, null));
      field.focus();
    },
    { "aria-label": `${range.title}: back to what it was`, hidden: true },
  );
  const node = el(
    "div",
    { class: "parameter", "data-name": range.name },
    el("div", { class: "parameter-head" }, el("label", { for: id }, range.title), changed, back),
    el("p", { class: "quiet", id: `${id}-note` }, `${range.sentence} `, el("span", { class: "cost" }, `Costs: ${range.cost}`)),
    el("div", { class: "parameter-value" }, slider, field),
    error,
  );
  return {
    node,
    /** The value that holds, and whether it was set here. Unless `anew`, what is being typed stays, and what was refused with its sentence. */
    show(value, own, anew) {
      const stays = !anew && (field.hasAttribute("aria-invalid") || (document.activeElement === field && field.value !== shown));
      shown = value === null ? "" : String(value);
      field.placeholder = value === null ? "as the model has it" : "";
      if (slider) slider.value = value ?? range.least;
      changed.hidden = back.hidden = !own;
      node.classList.toggle("own", own);
      if (stays) return;
      field.value = shown;
      refuse("");
    },
  };
}
