// Dialogs: built when they are opened, gone when they are closed. Esc closes them, and focus goes back to where it was.

import { el, iconButton } from "./dom.js";

let count = 0;

/** Open a dialog with a title; resolves with its return value ("" where it was just closed). */
export function dialog(title, content, { wide = false, onclose = null } = {}) {
  count += 1;
  const heading = el("h2", { id: `dialog-${count}` }, title);
  const close = iconButton("close", "Close", () => box.close(""));
  const box = el("dialog", { "aria-labelledby": heading.id, class: wide ? "wide" : false }, el("div", { class: "dialog-head" }, heading, close), content);
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close("");
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
  const { closed } = dialog(title, form);
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
  const { closed } = dialog(title, form);
  no.focus();
  await closed;
  return sure;
}

export function tell(title, sentence) {
  const content = el("form", { method: "dialog", class: "stack" }, el("p", {}, sentence), el("div", { class: "dialog-actions" }, el("button", { class: "primary" }, "Close")));
  return dialog(title, content).closed;
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
