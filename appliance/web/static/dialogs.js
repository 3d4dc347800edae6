// Dialogs: built when they are opened, gone when they are closed. Esc closes them, and focus goes back to where it was.

import { el, iconButton } from "./dom.js";

let count = 0;
const opened = new Map(); // by title, as long as they are

/** Open a dialog with a title; resolves with its return value ("" where it was just closed). One that is open already stays as it is:
 * what waits for the appliance before it opens would otherwise open twice, by a double click or a key pressed twice. */
export function dialog(title, content, options = {}) {
  const there = opened.get(title);
  if (there?.box.open) return there;
  const made = show(title, content, options);
  opened.set(title, made);
  made.closed.then(() => opened.get(title) === made && opened.delete(title));
  return made;
}

/** Whether it happened beside the dialog. Its padding is the dialog itself too, so the place decides. */
function beside(box, event) {
  const { left, top, right, bottom } = box.getBoundingClientRect();
  return event.target === box && (event.clientX < left || event.clientX > right || event.clientY < top || event.clientY > bottom);
}

function show(title, content, { wide = false, onclose = null } = {}) {
  count += 1;
  const heading = el("h2", { id: `dialog-${count}` }, title);
  const close = iconButton("close", "Close", () => box.close(""));
  const box = el("dialog", { "aria-labelledby": heading.id, class: wide ? "wide" : false }, el("div", { class: "dialog-head" }, heading, close), content);
  // A click beside it closes it; not the end of a selection that began in it, nor the second half of the double click that opened it.
  let pressedBeside = false;
  box.addEventListener("pointerdown", (event) => {
    pressedBeside = beside(box, event);
  });
  box.addEventListener("click", (event) => {
    if (pressedBeside && event.detail < 2 && beside(box, event)) box.close("");
  });
  const before = document.activeElement;
  document.body.append(box);
  const closed = new Promise((resolve) => {
    box.addEventListener("close", () => {
      onclose?.();
      box.remove();
      if (before?.isConnected) before.focus();
      // On a narrow screen it was opened from the side, which has gone again.
      if (document.activeElement === document.body) document.getElementById("menu").focus();
      resolve(box.returnValue);
    });
  });
  box.returnValue = "";
  box.showModal();
  return { box, closed };
}

/** Ask for a line of text; null where the user gave none. */
export async function askText(title, label, { value = "", action = "Save", type = "text", note = "", longest = 200 } = {}) {
  const input = el("input", { id: "dialog-text", type, value, dir: "auto", required: true, autocomplete: "off", maxlength: longest });
  const form = el(
    "form",
    { method: "dialog", class: "stack" },
    el("label", { for: input.id }, label),
    input,
    note && el("p", { class: "quiet" }, note),
    el("div", { class: "dialog-actions" }, el("button", { class: "primary", type: "submit" }, action)),
  );
  let answer = null;
  form.addEventListener("submit", () => {
    answer = type === "password" ? input.value : input.value.trim();
  });
  const { closed } = show(title, form);
  input.focus();
  input.select();
  await closed;
  return answer || null;
}

/** True where the user says yes. */
export async function confirm(title, sentence, action) {
  let sure = false;
  const yes = el("button", { type: "submit", class: "danger", onclick: () => (sure = true) }, action);
  const no = el("button", { type: "submit", class: "plain" }, "Keep it");
  const form = el("form", { method: "dialog", class: "stack" }, el("p", {}, sentence), el("div", { class: "dialog-actions" }, no, yes));
  const { closed } = show(title, form);
  no.focus();
  await closed;
  return sure;
}

export function tell(title, sentence) {
  const content = el("form", { method: "dialog", class: "stack" }, el("p", {}, sentence), el("div", { class: "dialog-actions" }, el("button", { class: "primary" }, "Close")));
  return show(title, content).closed;
}

/** Do it; what goes wrong is told. Undefined then. */
export async function attempt(work, title = "That didn't work") {
  try {
    return await work();
  } catch (error) {
    // An outdated page says so itself, above everything.
    if (error.name !== "AbortError" && error.code !== "page_outdated") await tell(title, error.message);
    return undefined;
  }
}
