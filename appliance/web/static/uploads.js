// Files and folders on their way in: dropped anywhere on the page, or chosen with the buttons. Sent in parts, so that a folder of
// thousands of files neither fills the memory nor has to begin anew.

import { upload } from "./api.js";
import { askText, attempt } from "./dialogs.js";
import { $, announce, plural, visible } from "./dom.js";
import { ensureCollection } from "./sidebar.js";
import { change, state } from "./state.js";

const MOST_FILES = 100;
const MOST_BYTES = 32 * 2 ** 20;
const LARGEST = 2 ** 30;
const GUIDE = "guide";

/** Files of this visit by name: an encrypted one is sent again with its password, without being chosen again. */
const sent = new Map();

export const sentBefore = (name) => sent.get(name);

/** The files of a drop, folders walked: [{ file, name }], names relative to what was dropped. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, name: folder + entry.name });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives at most 100 entries at a time, and none at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const one of some) await walk(one, `${folder}${entry.name}/`, found);
  }
}

function* parts(files) {
  let part = [];
  let bytes = 0;
  for (const one of files) {
    if (part.length && (part.length >= MOST_FILES || bytes + one.file.size > MOST_BYTES)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(one);
    bytes += one.file.size;
  }
  if (part.length) yield part;
}

const takes = (collection) => Boolean(collection) && collection.name !== GUIDE && !collection.pack;

/** The collection that files go into: the open one; but the guide stays by itself, packs are not changed, and where there is none one is made. */
async function target() {
  if (takes(state.collection)) return state.collection;
  const other = state.collections.find(takes);
  const value = other?.name ?? "My documents";
  const note = state.collection?.pack ? "A pack is not changed. A new name makes a new collection." : state.collection ? "The guide stays by itself. A new name makes a new collection." : "A collection is a set of documents that you ask together.";
  const name = await askText("Where shall they go?", "Name of the collection", { value, action: "Add them", note });
  return name ? ensureCollection(name) : null;
}

/** Send files into the open collection. */
export async function add(files, password = "") {
  const fitting = files.filter((one) => one.file.size <= LARGEST);
  if (!files.length) return attempt(() => Promise.reject(new Error("There was no file in it. Choose or drop files, or a folder that holds some.")), "Nothing to add");
  return attempt(async () => {
    const collection = await target();
    if (!collection) return;
    announce(`${plural(fitting.length, "file")} on the way into ${visible(collection.name)}.`);
    let gone = 0;
    for (const part of parts(fitting)) {
      change("sending", { sending: { done: gone, total: fitting.length } });
      const form = new FormData();
      form.append("names", JSON.stringify(part.map((one) => one.name)));
      if (password) form.append("password", password);
      for (const one of part) {
        form.append("files", one.file, "file");
        sent.set(one.name, one.file);
      }
      await upload(`collections/${collection.id}/uploads`, form);
      gone += part.length;
      change("uploaded");
    }
    const large = files.length - fitting.length;
    if (large) throw new Error(`${plural(large, "file is", "files are")} larger than 1 GiB and can't be read. Split them, or leave them out.`);
  }, "Not everything was added").finally(() => change("sending", { sending: null }));
}

/** Ask for the password of an encrypted file and read it with that. */
export async function unlock(name) {
  const password = await askText("This file is encrypted", `Password of ${visible(name)}`, { type: "password", action: "Read it", note: "It is used to read the file and is not kept." });
  if (!password) return;
  const known = sent.get(name) ?? (await choose(name));
  if (known) await add([{ file: known, name }], password);
}

function choose(name) {
  const input = $("files");
  announce(`Choose the file ${visible(name)} once more.`);
  return new Promise((resolve) => {
    const done = (event) => {
      event.stopImmediatePropagation();
      input.removeEventListener("change", done, true);
      resolve(input.files[0] ?? null);
      input.value = "";
    };
    input.addEventListener("change", done, true);
    input.addEventListener("cancel", () => resolve(null), { once: true });
    input.click();
  });
}

export function start() {
  const chosen = (input) => {
    const files = [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
    input.value = "";
    if (files.length) add(files);
  };
  for (const [button, input] of [["add-files", "files"], ["add-folder", "folder"]]) {
    $(button).addEventListener("click", () => $(input).click());
    $(input).addEventListener("change", () => chosen($(input)));
  }
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let inside = 0;
  const hide = () => {
    inside = 0;
    $("drop").hidden = true;
  };
  addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    inside += 1;
    const name = takes(state.collection) ? `“${visible(state.collection.name)}”` : "your documents";
    $("drop").querySelector("span").textContent = `Drop files or folders to add them to ${name}`;
    $("drop").hidden = false;
  });
  addEventListener("dragleave", () => {
    inside -= 1;
    if (inside <= 0) hide();
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault(); // a file that misses must not be opened in place of the page
    hide();
    if (holdsFiles(event)) attempt(async () => add(await dropped(event.dataTransfer)));
  });
}
