// A model that comes to the shelf: a .gguf dropped on the shelf or chosen, or something that lies on this machine, by its path. What is under
// way outlives the dialog that it was begun in: a large file takes minutes.

import { call, send } from "./api.js";
import { tell } from "./dialogs.js";
import { announce, el, size, textButton, visible } from "./dom.js";
import { loadModels } from "./preferences.js";

/** How it goes, or went: one node, shown by whichever dialog is open. */
const told = el("div", { class: "told-here", role: "status" });
let buttons = []; // of the dialog that was opened last
let busy = false;
let sending = false;

/** The nodes of "Add a model". `shelf()`: the dialog that files can be dropped on. */
export function adding(shelf) {
  const input = el("input", { type: "file", accept: ".gguf", hidden: true, "aria-label": "Model file to add" });
  const choose = el("button", { type: "button", onclick: () => input.click() }, "Choose a .gguf file");
  const path = el("input", { id: "model-path", type: "text", dir: "ltr", autocomplete: "off", spellcheck: "false", maxlength: "4000", required: true, placeholder: "Whole path of a .gguf file, a Modelfile, or a folder of Ollama's models" });
  const tag = el("input", { id: "model-tag", type: "text", dir: "ltr", autocomplete: "off", spellcheck: "false", maxlength: "200", "aria-describedby": "model-tag-note" });
  const submit = el("button", { type: "submit", class: "primary" }, "Add it");
  const form = el(
    "form",
    { class: "stack" },
    el("div", { class: "field" }, el("label", { for: path.id }, "Or where it lies on this machine"), path),
    el("div", { class: "field" }, el("label", { for: tag.id }, "Its name and tag"), tag, el("p", { class: "quiet", id: "model-tag-note" }, "Only for a folder that was copied from a machine with Ollama: llama3.2:1b")),
    el("div", { class: "dialog-actions start" }, submit),
  );
  buttons = [choose, submit];
  mark();
  if (!busy) told.replaceChildren();
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    if (files.length) take(files);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say("It is being checked and copied…");
    run(() => call("POST", "models/import", { file: path.value.trim(), ...(tag.value.trim() && { tag: tag.value.trim() }) }));
  });
  // Once the dialog is there: what is dropped on it is a model, and no document for the collection behind it.
  queueMicrotask(() => droppable(shelf()));
  return [el("p", { class: "quiet" }, "Drop a .gguf file anywhere on this window, or:"), el("p", {}, choose), input, form, told, el("p", { class: "quiet" }, "A file is checked before anything loads it, and copied into your library. Haversack fetches nothing: bring the file on a stick.")];
}

function mark() {
  for (const one of buttons) one.disabled = busy;
}

const say = (words, kind = "") => told.replaceChildren(el("p", { class: kind }, words));

/** Its end, which is told in a dialog of its own where nobody looks at the shelf any more. */
function end(title, words, kind, notes = []) {
  say(words, kind);
  told.append(...notes.map((note) => el("p", { class: "quiet" }, note)));
  if (told.isConnected) return;
  announce(words);
  tell(title, words);
}

async function run(work) {
  busy = true;
  mark();
  try {
    const model = await work();
    await loadModels().catch(() => {}); // it is there, and the next look at the shelf shows it
    end("A model was added", `“${visible(model.title)}” is on the shelf. Choose under “Which model does what” what it shall do.`, "strong", model.notes);
  } catch (error) {
    if (error.name === "AbortError") say("Stopped: nothing was added.");
    else end("The model was not added", error.message, "bad");
  } finally {
    busy = sending = false;
    mark();
  }
}

function take(files) {
  if (busy) return tell("One at a time", "A model is being added. Stop it, or wait for its end, and add the next one then.");
  if (files.length !== 1) return say("Add one model at a time: drop a single .gguf file. Of a split model, type the path of its first part.", "bad");
  return run(() => upload(files[0]));
}

function upload(one) {
  const stop = new AbortController();
  const bar = el("progress", { max: 1, value: 0, "aria-label": `${visible(one.name)} on its way` });
  const words = el("p", {}, `${visible(one.name)} is on its way…`);
  told.replaceChildren(words, bar, textButton("close", "Stop", () => stop.abort()));
  announce(`${visible(one.name)} is on its way.`);
  const data = new FormData();
  // Its name comes first: the appliance knows what it is about before the bytes come.
  data.append("name", "");
  data.append("file", one, one.name);
  sending = true;
  return send(
    "models",
    data,
    (sent, total) => {
      bar.value = sent / Math.max(1, total);
      words.textContent = sent < total ? `${visible(one.name)}: ${size(sent)} of ${size(total)}` : `${visible(one.name)} has come over. It is being checked…`;
    },
    stop.signal,
  );
}

// A page that is left takes the rest of the file with it.
addEventListener("beforeunload", (event) => sending && event.preventDefault());

function droppable(box) {
  let inside = 0;
  const hovered = (on) => box.classList.toggle("dropping", on);
  const own = (type, handle) =>
    box.addEventListener(type, (event) => {
      event.preventDefault();
      event.stopPropagation();
      handle(event);
    });
  own("dragenter", () => hovered((inside += 1) > 0));
  own("dragover", () => {});
  own("dragleave", () => hovered((inside -= 1) > 0));
  own("drop", (event) => {
    inside = 0;
    hovered(false);
    take([...(event.dataTransfer?.files ?? [])]);
  });
}
