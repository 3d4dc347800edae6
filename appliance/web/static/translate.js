// An answer in another language, by the model. It is offered under the answer, and never takes its place.

import { offers, stream } from "./api.js";
import { announce, copyButton, el, plural, textButton } from "./dom.js";

const LANGUAGES = ["Arabic", "Chinese", "Dutch", "English", "French", "German", "Hindi", "Italian", "Japanese", "Polish", "Portuguese", "Russian", "Spanish", "Swahili", "Turkish", "Ukrainian", "Vietnamese"];
const last = () => localStorage.getItem("haversack-language") ?? "English";

let count = 0;

/** The button, and the place below where the translation will stand: [button, place]; nothing where it isn't offered. */
export function translating(text) {
  if (!offers("translate") || !text.trim()) return [null, null];
  const place = el("div", { class: "translation" });
  const button = textButton("translate", "Translate", () => (place.childElementCount ? close() : open()), { "aria-expanded": "false" });
  const close = () => {
    place.replaceChildren();
    button.setAttribute("aria-expanded", "false");
  };
  const open = () => {
    count += 1;
    const list = el("datalist", { id: `languages-${count}` }, ...LANGUAGES.map((value) => el("option", { value })));
    const language = el("input", { id: `language-${count}`, type: "text", list: list.id, value: last(), required: true, maxlength: 40, autocomplete: "off", dir: "auto" });
    const out = el("div", { class: "translated" });
    const form = el("form", { class: "line" }, el("label", { for: language.id }, "Into"), language, list, el("button", { type: "submit" }, "Translate it"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = language.value.trim();
      localStorage.setItem("haversack-language", name);
      run(text, name, out, form.querySelector("button"));
    });
    place.replaceChildren(form, out);
    button.setAttribute("aria-expanded", "true");
    place.scrollIntoView({ block: "nearest" });
    language.focus();
    language.select();
  };
  return [button, place];
}

async function run(text, language, out, button) {
  const words = el("p", { dir: "auto" });
  const doing = el("p", { class: "quiet working" }, `It is being put into ${language}…`);
  let whole = "";
  let note = "";
  out.replaceChildren(doing);
  button.disabled = true;
  announce(`It is being put into ${language}.`);
  try {
    let over = false;
    await stream("translate", { text, language }, undefined, (name, value) => {
      if (name === "delta") {
        whole += value.text;
        words.textContent = whole;
        if (!words.isConnected) out.replaceChildren(el("h3", { class: "label" }, `In ${language}, by the model`), words);
      }
      if (name === "queued") doing.textContent = `${plural(value.ahead, "question")} before it…`;
      if (name === "finished") {
        over = true;
        note = value.note;
        whole = value.text;
        words.textContent = whole;
      }
      if (name === "error") throw new Error(value.message);
    });
    if (!over || !whole.trim()) throw new Error("The translation broke off. Try again.");
    out.append(el("div", { class: "foot-row" }, copyButton("Copy it", whole), el("span", { class: "quiet" }, note)));
    announce(`In ${language}: ${whole}`);
  } catch (error) {
    out.append(el("p", { class: "notice bad", role: "alert" }, error.message));
    doing.remove();
  } finally {
    button.disabled = false;
    out.scrollIntoView({ block: "nearest" });
  }
}
