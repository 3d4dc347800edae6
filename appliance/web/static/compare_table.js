// What all comparisons came to, model by model, and the way out of it for other programs.

import { call, file } from "./api.js";
import { attempt, confirm } from "./dialogs.js";
import { day, el, figure, iconButton, nameNode, save, textButton, visible } from "./dom.js";
import { wattHours } from "./energy.js";

const FORMATS = [
  ["csv", "CSV", ".csv"],
  ["markdown", "Markdown", ".md"],
  ["json", "JSON", ".json"],
];
const COLUMNS = ["Model", "Settings", "Answers", "Votes", "Passages", "First word", "Tokens a second", "Found in the documents", "Energy"];

const cell = (value, words) => el("td", {}, value === null || value === undefined ? el("span", { class: "quiet", "aria-label": "not known" }, "–") : words(value));

/** { node, load() }. `open(comparison)` shows one of them again. */
export function table(open) {
  const body = el("div", { class: "stack" });
  const node = el("section", { class: "group all-compared", "aria-labelledby": "compared-title" }, el("h3", { id: "compared-title" }, "All comparisons"), body);
  const load = async () => {
    const { comparisons, table: rows } = await call("GET", "comparisons");
    body.replaceChildren(...(comparisons.length ? filled(comparisons, rows, load, open) : [el("p", { class: "quiet" }, "None yet. What you compare is kept here, with your votes.")]));
  };
  // A vote changes the table.
  document.addEventListener("voted", () => node.isConnected && attempt(load));
  return { node, load };
}

function filled(comparisons, rows, load, open) {
  const head = el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name))));
  const lines = rows.map((row) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, nameNode(row.title ?? row.model)),
      el("td", {}, row.settings || "own settings"),
      cell(row.answers, String),
      cell(row.votes, String),
      cell(row.passages, figure),
      cell(row.first_token_ms, (value) => `${(value / 1000).toFixed(1)} s`),
      cell(row.tokens_per_second, figure),
      cell(row.supported_share, (value) => `${Math.round(100 * value)} %`),
      cell(row.joules, (value) => wattHours(value / 3600)),
    ),
  );
  const get = (format, suffix) => attempt(async () => save(await file(`comparisons/export?format=${format}`), `comparisons${suffix}`));
  const remove = async (one) => {
    if (!(await confirm("Delete this comparison?", `The answers to “${visible(one.question)}” and the vote will be deleted from this library.`, "Delete it"))) return;
    await attempt(() => call("DELETE", `comparisons/${one.id}`).then(load));
  };
  const list = comparisons.map((one) =>
    el("li", {}, el("div", { class: "ledger-text" }, textButton("", nameNode(one.question), () => open(one)), el("p", { class: "quiet" }, when(one))), iconButton("remove", `Delete the comparison ${visible(one.question)}`, () => remove(one))),
  );
  return [
    el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Table of all comparisons" }, el("table", {}, head, el("tbody", {}, ...lines))),
    el("div", { class: "foot-row" }, el("span", { class: "quiet" }, "Take it with you:"), ...FORMATS.map(([format, words, suffix]) => textButton("export", words, () => get(format, suffix)))),
    el("details", {}, el("summary", {}, `The questions (${comparisons.length})`), el("ul", { class: "ledger" }, ...list)),
  ];
}

const when = (one) => (one.created ? day(one.created) : "");
