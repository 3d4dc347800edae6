// Who is compared: two to six of the models that are here, each with its own settings or a preset.

import { announce, choice, el, iconButton, textButton, visible } from "./dom.js";
import { state } from "./state.js";

const SETTINGS = [
  ["", "own settings"],
  ["exact", "exact"],
  ["balanced", "balanced"],
  ["free", "free"],
];
const FEWEST = 2;
const MOST = 6;

/** { nodes, begin(), refresh(), chosen() }. */
export function contenders() {
  const list = el("ol", { class: "contenders" });
  const more = textButton("add", "Add another", () => add(state.shelf?.purposes.answering ?? ""));

  const add = (model, preset = "") => {
    const item = el(
      "li",
      {},
      choice(offered(), model, { class: "who" }),
      choice(SETTINGS, preset, { class: "how" }),
      iconButton("close", "Leave out", () => {
        const next = item.nextElementSibling ?? item.previousElementSibling;
        if (list.childElementCount > FEWEST) item.remove();
        else return announce("Two are the fewest that can be compared.");
        next?.querySelector("select")?.focus();
        return renumber();
      }),
    );
    list.append(item);
    renumber();
  };
  const renumber = () => {
    [...list.children].forEach((item, index) => {
      const name = `model ${index + 1}`;
      item.querySelector(".who").setAttribute("aria-label", `Model ${index + 1}`);
      item.querySelector(".how").setAttribute("aria-label", `Settings of ${name}`);
      const out = item.querySelector("button");
      out.setAttribute("aria-label", `Leave out ${name}`);
      out.title = `Leave out ${name}`;
      out.hidden = list.childElementCount <= FEWEST;
    });
    more.hidden = list.childElementCount >= MOST;
  };

  return {
    nodes: [list, more],
    /** Two to begin with: two models where there are two, else one in two settings. */
    begin() {
      if (list.childElementCount) return;
      const models = (state.shelf?.models ?? []).filter((one) => one.fits || one.state === "ready");
      const answering = state.shelf?.purposes.answering;
      const [first, second] = [...models].sort((one, other) => (other.name === answering) - (one.name === answering));
      add(first?.name ?? "");
      add((second ?? first)?.name ?? "", second ? "" : "free");
    },
    /** The shelf has changed: what is chosen stays where it still is there. */
    refresh() {
      for (const one of list.querySelectorAll(".who")) {
        const chosen = one.value;
        one.replaceChildren(...choice(offered(), "").children);
        one.value = chosen;
        if (one.selectedIndex < 0) one.value = state.shelf.purposes.answering;
      }
    },
    chosen: () =>
      [...list.children].map((item) => {
        const preset = item.querySelector(".how").value;
        return { model: item.querySelector(".who").value, ...(preset && { preset }) };
      }),
  };
}

const offered = () => (state.shelf?.models ?? []).map((one) => [one.name, visible(one.title) + (one.fits ? "" : " (won't fit)")]);
