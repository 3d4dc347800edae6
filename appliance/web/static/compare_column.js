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
  }

  /** It came to no answer. */
  fail(message) {
    this.failure = message;
    this.view.failed(message);
  }

  /** What it cost, as it goes into the table: what can't be compared with the others is left out. */
  measured({ first_token_ms: first, tokens_per_second: rate, supported_share: share, sentences, joules, passages }) {
    const rows = [
      passages > 0 && ["Was given", plural(passages, "passage")],
      first !== null && ["First word after", `${(first / 1000).toFixed(1)} s`],
      rate !== null && ["Writes", `${figure(rate)} tokens a second`],
      share !== null && ["Found in the documents", `${Math.round(share * sentences)} of ${plural(sentences, "sentence")}`],
      joules !== null && ["Energy", energyWords({ ...this.answer.energy, joules })],
    ];
    this.facts.replaceChildren(...rows.filter(Boolean).flatMap(([title, words]) => [el("dt", {}, title), el("dd", {}, words)]));
  }

  /** All have answered: they have their figures, and one of them can be voted for. */
  complete(comparison) {
    if (!this.answer) return;
    this.measured(comparison.results[this.index].figures);
    if (comparison.id === null) return; // not kept: nobody answered
    const better = "This one is better";
    const button = el("button", { type: "button", class: "vote", "aria-pressed": String(comparison.vote === this.index), "aria-label": `${better}: ${visible(this.title)}, answer ${this.index + 1}` }, icon("vote"), better);
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
  finished(column, { answer }) {
    column.finish(answer);
    announce(`${visible(column.title)} has answered.`);
  },
  failed: (column, { message }) => column.fail(message),
};
