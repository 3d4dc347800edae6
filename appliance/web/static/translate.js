// An answer in another language, by the model. It is offered under the answer, and never takes its place.

import { call, offers, stream } from "./api.js";
import { announce, copyButton, el, plural, textButton } from "./dom.js";

const LANGUAGES = ["Arabic", "Chinese", "Dutch", "English", "French", "German", "Hindi", "Italian", "Japanese", "Polish", "Portuguese", "Russian", "Spanish", "Swahili", "Turkish", "Ukrainian", "Vietnamese"];
const last = () => localStorage.getItem("haversack-language") ?? "English";

let count = 0;

/** The button, and the place below where the translation will stand: [button, place]; nothing where it isn't offered. */
export function translating(text) {
  if (!offers("translate") || !text.trim()) return [null, null];
  const place = el("div", { class: "translation" });
  const button = textButton("translate", "Translate", () => (place.childElementCount ? close() : open()), { "aria-expanded": "false" });
  let running = null;
  const close = () => {
    running?.abort();
    place.replaceChildren();
    button.setAttribute("aria-expanded", "false");
  };
  const open = () => {
    count += 1;
    const list = el("datalist", { id: `languages-${count}` }, ...LANGUAGES.map((value) => el("option", { value })));
    const language = el("input", { id: `language-${count}`, type: "text", list: list.id, value: last(), required: true, maxlength: 40, autocomplete: "off", dir: "auto" });
    const out = el("div", { class: "translated" });
    const begin = el("button", { type: "submit" }, "Translate it");
    const stop = el("button", { type: "button", class: "danger", hidden: true, onclick: () => running?.stop() }, "Stop");
    const form = el("form", { class: "line" }, el("label", { for: language.id }, "Into"), language, list, begin, stop);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const name = language.value.trim();
      localStorage.setItem("haversack-language", name);
      running = new Translation(out);
      begin.hidden = true;
      stop.hidden = false;
      await running.run(text, name);
      const stopHadFocus = document.activeElement === stop;
      begin.hidden = false;
      stop.hidden = true;
      if (stopHadFocus) begin.focus();
    });
    place.replaceChildren(form, out);
    button.setAttribute("aria-expanded", "true");
    place.scrollIntoView({ block: "nearest" });
    language.focus();
    language.select();
  };
  return [button, place];
}

/** One translation under way, written into `out`. */
class Translation {
  constructor(out) {
    this.out = out;
    this.connection = new AbortController();
    this.key = null;
    this.stopping = false;
  }

  /** Stop it; what was written stays. */
  stop() {
    this.stopping = true;
    if (this.key) call("DELETE", `answers/${this.key}`).catch(() => this.abort());
  }

  /** Nobody waits for it any more. */
  abort() {
    this.connection.abort();
  }

  async run(text, language) {
    const { out } = this;
    const words = el("p", { dir: "auto" });
    const doing = el("p", { class: "quiet working" }, `It is being put into ${language}…`);
    let whole = "";
    let last = null;
    out.replaceChildren(doing);
    announce(`It is being put into ${language}.`);
    const handlers = {
      started: ({ key }) => {
        this.key = key;
        if (this.stopping) this.stop();
      },
      queued: ({ ahead }) => (doing.textContent = `${plural(ahead, "question")} before it…`),
      progress: ({ done, total }) => (doing.textContent = `It is being put into ${language}: sentence ${done + 1} of ${total}`),
      delta: (value) => {
        whole += value.text;
        words.textContent = whole;
        if (!words.isConnected) out.replaceChildren(el("h3", { class: "label" }, `In ${language}, by the model`), words, doing);
      },
      finished: (value) => {
        last = value;
        words.textContent = value.text;
      },
      error: ({ message }) => {
        throw new Error(message);
      },
    };
    try {
      await stream("translate", { text, language }, this.connection.signal, (name, value) => {
        // The answer left the page, and with it whoever wanted to read this.
        if (!out.isConnected) return this.abort();
        return handlers[name]?.(value);
      });
      if (!last?.text.trim() && !this.stopping) throw new Error("The translation broke off. Try again.");
      doing.remove();
      if (this.stopping) out.append(el("p", { class: "notice", role: "status" }, "Stopped."));
      if (last?.text.trim()) out.append(el("div", { class: "foot-row" }, copyButton("Copy it", last.text), el("span", { class: "quiet" }, last.note)));
      announce(this.stopping ? "Stopped." : `In ${language}: ${last.text}`);
    } catch (error) {
      doing.remove();
      if (error.name !== "AbortError") out.append(el("p", { class: "notice bad", role: "alert" }, error.message));
    }
    out.scrollIntoView({ block: "nearest" });
  }
}
