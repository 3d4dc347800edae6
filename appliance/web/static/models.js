// The shelf: every model that is here, what it needs and how quick it is, which one does what; and how one comes or goes.

import { call, offers } from "./api.js";
import { attempt, dialog } from "./dialogs.js";
import { $, choice, el, iconButton, size, visible } from "./dom.js";
import { adding } from "./models_add.js";
import { card, isBeingMeasured } from "./models_card.js";
import { loadModels } from "./preferences.js";
import { on, state } from "./state.js";
import { aboutModel } from "./status.js";

/** What a model can be used for, each with what it means, and with what happens where none is chosen. */
export const PURPOSES = [
  ["answering", "Answering", "writes the sentences after the quotes", ""],
  ["summarising", "Summarising", "reads documents section by section", "the one that answers"],
  ["rewriting", "Rewriting", "completes “and who paid for it?” before the search", "no model: by rules"],
  ["translating", "Translating", "puts an answer into another language", "the one that answers"],
];

let box = null;
let show = () => {}; // what the dialog that was opened last shows

export async function showModels() {
  if (box?.isConnected) return;
  const list = el("ul", { class: "models" }, el("li", { class: "quiet" }, "Looking at what is here…"));
  const memory = el("p", { class: "quiet" });
  const purposes = el("div", { class: "purposes" });
  const unreadable = el("ul", { class: "ledger" });
  const cards = new Map(); // name → { mark: what it showed, node }
  const actions = {
    use: (name, purpose) =>
      attempt(async () => {
        try {
          await call("PUT", `purposes/${purpose}`, { model: name });
        } catch (error) {
          delete purposes.dataset.mark; // what was refused doesn't stay there as if it held
          show();
          throw error;
        }
        await loadModels();
      }),
    reload: loadModels,
    show: () => show(),
  };
  show = () => {
    if (!box?.isConnected || !state.shelf) return;
    const { models, memory: all } = state.shelf;
    memory.textContent = `Memory of this machine: ${size(all.total)}, of which ${size(all.available)} are free.`;
    showPurposes(purposes, actions);
    unreadable.replaceChildren(...(state.shelf.unreadable ?? []).map((one) => lost(one, actions)));
    for (const name of cards.keys()) if (!models.some((one) => one.name === name)) cards.delete(name);
    const wanted = models.map((one) => fresh(cards, one, actions));
    // Cards that say the same stay the same nodes: what is open or has the focus in them stays so.
    if (wanted.some((node, index) => list.children[index] !== node) || list.children.length !== wanted.length) list.replaceChildren(...wanted);
  };
  const content = el(
    "div",
    { class: "stack" },
    memory,
    el("section", { class: "group", "aria-labelledby": "purposes-title" }, el("h3", { id: "purposes-title" }, "Which model does what"), purposes),
    list,
    unreadable,
    el("section", { class: "group", "aria-labelledby": "adding-title" }, el("h3", { id: "adding-title" }, "Add a model"), ...adding(() => box)),
    el("details", {}, el("summary", {}, "About this Haversack and its bundle"), aboutModel()),
  );
  ({ box } = dialog("Models", content, { wide: true }));
  show();
  await attempt(loadModels);
}

function fresh(cards, model, actions) {
  const uses = PURPOSES.filter(([purpose]) => state.shelf.purposes[purpose] === model.name).map(([, words]) => words);
  const mark = JSON.stringify([{ ...model, resident_bytes: 0 }, uses, size(state.shelf.memory.available), isBeingMeasured(model.name)]);
  const there = cards.get(model.name);
  if (there?.mark === mark) return there.node;
  const node = card(model, uses, actions);
  const acting = there?.node.contains(document.activeElement) && document.activeElement.dataset.act;
  const open = [...(there?.node.querySelectorAll("details[open]") ?? [])].map((one) => one.dataset.part);
  for (const part of open) node.querySelector(`[data-part="${part}"]`)?.setAttribute("open", "");
  cards.set(model.name, { mark, node });
  if (acting) {
    there.node.replaceWith(node);
    (node.querySelector(`[data-act="${acting}"]:not(:disabled)`) ?? node.querySelector("button:not(:disabled)"))?.focus();
  }
  return node;
}

/** What was added once and can't be read any more: it can only be removed. */
function lost({ name, sentence }, actions) {
  const remove = () => attempt(() => call("DELETE", `models/${encodeURIComponent(name)}`).then(actions.reload));
  return el("li", {}, el("div", { class: "ledger-text" }, el("p", { class: "strong" }, visible(name)), el("p", { class: "bad" }, sentence)), iconButton("remove", `Remove ${visible(name)}`, remove));
}

function showPurposes(place, actions) {
  const { models, purposes, chosen } = state.shelf;
  const options = models.map((one) => [one.name, visible(one.title)]);
  const mark = JSON.stringify([options, purposes, chosen]);
  if (place.dataset.mark === mark) return;
  place.dataset.mark = mark;
  const focused = document.activeElement?.id;
  place.replaceChildren(
    ...PURPOSES.map(([purpose, words, meaning, otherwise]) => {
      const pick = choice(otherwise ? [["", otherwise], ...options] : options, (otherwise ? chosen : purposes)[purpose] ?? "", { id: `purpose-${purpose}`, "aria-describedby": `meaning-${purpose}` });
      pick.addEventListener("change", () => actions.use(pick.value, purpose));
      return el("div", { class: "field" }, el("label", { for: pick.id }, words), pick, el("p", { class: "quiet", id: `meaning-${purpose}` }, meaning));
    }),
  );
  if (focused?.startsWith("purpose-")) $(focused)?.focus();
}

export function start() {
  on("models status", () => show());
  on("status", () => {
    // While one is being loaded, or the shelf is open, what it says is kept up with.
    if (box?.isConnected || state.shelf?.models.some((one) => one.state === "loading")) loadModels().catch(() => {});
  });
  const there = offers("models");
  // Guests are shown what answers them, and no shelf.
  const about = () => dialog(state.status?.model.name ?? "Language model", aboutModel());
  for (const id of ["model", "open-models"]) $(id).addEventListener("click", there ? showModels : about);
  $("open-models").hidden = !there;
  loadModels().catch(() => {});
}
