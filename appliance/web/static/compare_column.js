// One contender of a comparison: its answer as it comes, and what it cost.

import { call } from "./api.js";
import { attempt } from "./dialogs.js";
import { announce, duration, el, figure, icon, plural, visible } from "./dom.js";
import { energyWords } from "./energy.js";
import { parted, TurnView } from "./turns.js";

export class Column {
  /** `contender`: { model, title, settings }. */
  constructor(question, contender, index) {
    this.index = index;
    this.title = contender.title || contender.model;
    this.view = new TurnView(question, { again: () => {}, edit: () => {} });
    this.prose = "";
    this.sentences = [];
    this.facts = el("dl", { class: "facts" });
    this.foot = el("div", { class: "column-foot" });
    this.node = el(
      "article",
      { class: "column" },
      el("h4", {}, el("bdi", { dir: "auto" }, visible(this.title))),
      el("p", { class: "quiet" }, contender.settings || "own settings"),
      this.view.parts.doing,
      this.view.parts.prose,
      this.view.parts.foot,
      this.facts,
      this.foot,
    );
    this.view.doing("Waits for its turn…");
  }

  cite(citations) {
    this.view.cite(citations);
  }

  receive(name, value) {
    HANDLERS[name]?.(this, value);
  }

  /** The stream is over, whatever came of it. */
  over() {
    if (!this.answer && !this.failure) this.view.failed("It did not come to an answer.");
  }

  finish(answer) {
    this.answer = answer;
    this.view.doing();
    this.view.cite(answer.citations);
    if (answer.refused) this.view.parts.prose.replaceChildren(el("p", { class: "refusal", dir: "auto" }, answer.answer));
    else this.view.write(parted(answer).prose, answer.sentences, false);
    if (answer.note) this.view.parts.foot.replaceChildren(el("p", { class: "notice" }, answer.note));
    const supported = answer.sentences.filter((one) => one.supported).length;
    const rate = speed(answer);
    const rows = [
      answer.timings.first_token > 0 && ["First word after", `${(answer.timings.first_token / 1000).toFixed(1)} s`],
      rate && ["Writes", `${figure(rate)} tokens a second`],
      answer.sentences.length > 0 && ["Found in the documents", `${supported} of ${plural(answer.sentences.length, "sentence")}`],
      answer.energy && ["Energy", energyWords(answer.energy)],
    ];
    this.facts.replaceChildren(...rows.filter(Boolean).flatMap(([title, words]) => [el("dt", {}, title), el("dd", {}, words)]));
    announce(`${visible(this.title)} has answered.`);
  }

  /** All have answered: one of them can be voted for. */
  complete(comparison) {
    if (!this.answer || comparison.id === null || comparison.id === undefined) return;
    const button = el("button", { type: "button", class: "vote", "aria-pressed": "false", "aria-label": `Vote for ${visible(this.title)}, answer ${this.index + 1}` }, icon("vote"), "This one is better");
    button.addEventListener("click", () =>
      attempt(async () => {
        const voted = button.getAttribute("aria-pressed") === "true";
        await call("POST", `comparisons/${comparison.id}/vote`, { contender: voted ? null : this.index });
        for (const one of this.node.parentElement.querySelectorAll(".vote")) one.setAttribute("aria-pressed", "false");
        button.setAttribute("aria-pressed", String(!voted));
        announce(voted ? "The vote is taken back." : `Your vote for ${visible(this.title)} is kept.`);
        this.node.dispatchEvent(new Event("voted", { bubbles: true }));
      }),
    );
    this.foot.replaceChildren(button);
  }
}

/** Tokens a second while it wrote; null where that can't be told. */
function speed({ completion_tokens: tokens, timings }) {
  const milliseconds = timings.writing ?? (timings.first_token === null ? null : timings.total - timings.first_token);
  return tokens > 1 && milliseconds > 0 ? (1000 * tokens) / milliseconds : null;
}

const HANDLERS = {
  queued: (column, { ahead }) => column.view.doing(`${ahead === 1 ? "One question is" : `${ahead} questions are`} before this one…`),
  progress: (column, { seconds_left: left }) => column.view.doing("Reads the passages", left === null || left === undefined ? "…" : `, about ${duration(left)} left`),
  delta(column, { text }) {
    column.prose += text;
    column.view.doing();
    column.view.write(column.prose, column.sentences, true);
  },
  sentence_checked(column, { sentence, citations }) {
    column.view.cite(citations);
    column.sentences = [...column.sentences, sentence];
    column.view.write(column.prose, column.sentences, true);
  },
  finished: (column, { answer }) => column.finish(answer),
  failed(column, { message }) {
    column.failure = message;
    column.view.failed(message);
  },
};
