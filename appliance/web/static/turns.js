// A question and its answer on the page: evidence cards, quotes, prose, and what can be done with them. Streaming fills the same view.

import { copyButton, el, icon, nameNode, plural, textButton, visible } from "./dom.js";
import { energyWords } from "./energy.js";
import { rendered, UNSUPPORTED } from "./render.js";
import { openSource } from "./source.js";
import { translating } from "./translate.js";

const LEAD = /^“.*” \[(\d+)\]$/;

const where = (item) => [nameNode(item.document), item.page === null ? "" : `, page ${item.page}`];
const whereText = (item) => visible(item.document) + (item.page === null ? "" : `, page ${item.page}`);
const short = (text) => text.replace(/\s+/g, " ").trim();
const snippet = (text) => short(text.replace(/^#{1,6}\s+/gm, "")).slice(0, 400);

/** What follows the leading quotes in an answer's text, and the numbers of those quotes. */
export function parted(answer) {
  const lines = answer.answer.split("\n");
  const lead = [];
  while (lines.length) {
    const match = LEAD.exec(lines[0]);
    if (!match && lines[0].trim()) break;
    if (match) lead.push(Number(match[1]));
    lines.shift();
  }
  return { lead, prose: lines.join("\n") };
}

export class TurnView {
  /** `actions`: { again(question), edit(question) }. `whole`: it is about a whole document or collection, not searched for. */
  constructor(question, actions, { whole = false } = {}) {
    this.whole = whole;
    this.question = question;
    this.citations = new Map();
    this.prose = "";
    this.sentences = [];
    this.parts = Object.fromEntries(["note", "evidence", "quotes", "prose", "doing", "foot"].map((name) => [name, el("div", { class: name })]));
    const tools = el("div", { class: "tools" }, textButton("edit", "Edit", () => actions.edit(question)), textButton("again", "Ask again", () => actions.again(question)));
    const asked = el("div", { class: "asked" }, el("h2", { dir: "auto" }, question), tools);
    this.node = el("article", { class: "turn" }, asked, this.parts.note, this.parts.evidence, this.parts.quotes, this.parts.prose, this.parts.doing, this.parts.foot);
  }

  searched(searchedFor) {
    if (searchedFor && searchedFor !== this.question) this.parts.note.replaceChildren(el("p", { class: "quiet" }, "Searched for: ", el("q", { dir: "auto" }, searchedFor)));
  }

  evidence(found, { nearest = false, milliseconds = null } = {}) {
    if (this.whole) return this.parts.evidence.replaceChildren();
    if (!found.length) return this.parts.evidence.replaceChildren(el("p", { class: "quiet" }, "No passage of these documents comes near."));
    const cards = found.map((item) =>
      el(
        "li",
        {},
        el("button", { type: "button", class: "card", onclick: () => openSource(item), "aria-label": `Open ${whereText(item)}` }, el("span", { class: "card-place" }, icon("file"), el("span", {}, ...where(item))), el("span", { class: "card-text", dir: "auto" }, snippet(item.text))),
      ),
    );
    const time = milliseconds === null ? "" : `, in ${Math.max(1, Math.round(milliseconds))} ms`;
    const title = nearest ? `The nearest passages${time}` : `${plural(found.length, "passage")} found${time}`;
    return this.parts.evidence.replaceChildren(el("h3", { class: "label" }, title), el("ul", { class: nearest ? "cards tall" : "cards" }, ...cards));
  }

  cite(citations) {
    for (const one of citations) this.citations.set(one.marker, one);
  }

  quotes(citations) {
    this.cite(citations);
    const quotes = citations.map((one) => this.quote(one));
    this.parts.quotes.replaceChildren(...(quotes.length ? [el("h3", { class: "label" }, "In your documents' own words"), ...quotes] : []));
  }

  /** A quote may begin with the heading that it stands under. */
  quote(cited) {
    const parts = cited.quote.trim().split(/\n\s*\n/);
    const heading = parts.length > 1 && el("p", { class: "quote-head", dir: "auto" }, short(parts.shift()).replace(/^#{1,6} /, ""));
    return el("blockquote", { class: "quote" }, heading, el("p", { dir: "auto" }, short(parts.join(" ")), " ", this.marker(cited.marker)), el("footer", {}, ...where(cited)));
  }

  marker(number) {
    const cited = this.citations.get(number);
    if (!cited) return null;
    return el("button", { type: "button", class: "marker", onclick: () => openSource(cited), "aria-label": `Source ${number}: ${whereText(cited)}`, title: whereText(cited) }, `[${number}]`);
  }

  /** Show the prose as far as it is known, `sentences` of it checked. */
  write(prose, sentences, streaming) {
    this.prose = prose;
    this.sentences = sentences;
    const label = this.whole ? [] : [el("h3", { class: "label" }, "In the model's words")];
    const nodes = prose.trim() ? [...label, rendered(prose, { marker: (number) => this.marker(number), quote: (number) => this.quote(this.citations.get(number)) }, sentences)] : [];
    this.parts.prose.replaceChildren(...nodes);
    this.parts.prose.classList.toggle("streaming", streaming);
  }

  doing(...content) {
    this.parts.doing.replaceChildren(...(content.length ? [el("p", { class: "quiet working" }, ...content)] : []));
  }

  /** The whole answer, as it is kept. */
  finish(answer) {
    this.doing();
    this.searched(answer.searched_for);
    this.cite(answer.citations);
    const { lead, prose } = parted(answer);
    // Only what is about the whole begins with a section instead of its quotes.
    this.whole = !answer.generated && !answer.refused && !lead.length && Boolean(prose.trim());
    const quoted = lead.map((number) => this.citations.get(number)).filter(Boolean);
    this.evidence(answer.evidence, { nearest: answer.refused, milliseconds: answer.timings.retrieve || null });
    this.quotes(quoted);
    if (answer.refused) {
      this.parts.prose.replaceChildren(el("p", { class: "refusal", dir: "auto" }, answer.answer));
      this.node.insertBefore(this.parts.prose, this.parts.evidence);
    } else {
      this.write(prose, answer.sentences, false);
    }
    this.foot(answer);
  }

  foot(answer) {
    // Sentences are flagged where they stand; those that can't be found there again are counted here.
    const doubtful = answer.sentences.filter((one) => !one.supported).length - this.parts.prose.querySelectorAll(".flag").length;
    const { first_token: first, total } = answer.timings;
    const facts = [answer.model, total >= 1 && (total < 100 ? `${Math.round(total)} ms` : `${(total / 1000).toFixed(1)} s`), first !== null && first > 0 && `first word after ${(first / 1000).toFixed(1)} s`, answer.energy && energyWords(answer.energy), answer.stopped && "stopped"];
    const copy = copyButton("Copy", () => asText(answer));
    const [translate, translation] = translating(answer.refused ? "" : answer.answer);
    this.parts.foot.replaceChildren(
      ...(answer.note ? [el("p", { class: "notice" }, answer.note)] : []),
      ...(doubtful > 0 ? [el("p", { class: "notice" }, `${plural(doubtful, "sentence")} of this answer: ${UNSUPPORTED}. Don't rely on ${doubtful === 1 ? "it" : "them"}.`)] : []),
      el("div", { class: "foot-row" }, copy, translate, el("span", { class: "quiet" }, facts.filter(Boolean).join(" · "))),
      ...(translation ? [translation] : []),
    );
  }

  failed(message) {
    this.doing();
    this.parts.prose.classList.remove("streaming");
    this.parts.foot.replaceChildren(el("p", { class: "notice bad", role: "alert" }, message));
  }
}

/** The answer and its sources, for other programs. */
export function asText(answer) {
  const doubts = answer.sentences.filter((one) => !one.supported).map((one) => `(${UNSUPPORTED}: ${one.text})`);
  const sources = answer.citations.map((one) => `[${one.marker}] ${whereText(one)}: “${short(one.quote)}”`);
  return [answer.question, answer.answer, ...doubts, sources.length ? `Sources\n${sources.join("\n")}` : ""].filter(Boolean).join("\n\n");
}
