// Files and folders on their way in: dropped anywhere on the page, or chosen with the buttons. Sent in parts, so that a folder of
// thousands of files neither fills the memory nor has to begin anew.

import { call, isGuest, upload } from "./api.js";
import { askText, attempt } from "./dialogs.js";
import { $, announce, el, plural, visible } from "./dom.js";
import { ensureCollection } from "./sidebar.js";
import { change, state } from "./state.js";

const MOST_FILES = 100;
const MOST_BYTES = 32 * 2 ** 20;
const LARGEST = 2 ** 30;
const GUIDE = "guide";

/** Files of this visit by collection and name: an encrypted one is sent again with its password, without being chosen again. */
const sent = new Map();
const key = (collection, name) => `${collection.id}/${name}`;

/** What is being sent: { done, total, stopped }, one for each drop or choice. */
const onTheWay = new Set();

function tellSending() {
  const sum = (count) => [...onTheWay].reduce((all, one) => all + count(one), 0);
  const stopped = [...onTheWay].every((one) => one.stopped);
  change("sending", { sending: onTheWay.size ? { done: sum((one) => one.done), total: sum((one) => one.total), stopped } : null });
}

/** Send nothing more. The part on its way still comes over, and the job that it makes is cancelled: a request that is broken off doesn't
 * tell whether it made one. */
export function stopSending() {
  for (const one of onTheWay) one.stopped = true;
  tellSending();
}

/** What was dropped, folders walked: { files: [{ file, name }], unreadable: [name] }, names relative to what was dropped. */
async function dropped(transfer) {
  const found = { files: [], unreadable: [] };
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) found.files.push(...[...transfer.files].map((file) => ({ file, name: file.name })));
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  const name = folder + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) found.files.push({ file, name });
    else found.unreadable.push(name);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives at most 100 entries at a time, and none at the end.
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve(null)));
    if (!some) found.unreadable.push(`${name}/`);
    if (!some?.length) return;
    for (const one of some) await walk(one, `${name}/`, found);
  }
}

/** Whether the disk gives all of a file. A request that breaks off for it would say no more than that it broke off. */
async function readable(file) {
  try {
    const reader = file.stream().getReader();
    while (!(await reader.read()).done);
    return true;
  } catch {
    return false;
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

/** Whether files can be added to it: the guide stays by itself, packs are not changed, and guests ask and read. */
export const takes = (collection) => Boolean(collection) && collection.name !== GUIDE && !collection.pack && !isGuest;

/** The collection that files go into: the open one, another where that takes none, and where there is none one is made. */
async function target() {
  if (takes(state.collection)) return state.collection;
  const other = state.collections.find(takes);
  const value = other?.name ?? "My documents";
  const note = state.collection?.pack ? "A pack is not changed. A new name makes a new collection." : state.collection ? "The guide stays by itself. A new name makes a new collection." : "A collection is a set of documents that you ask together.";
  const name = await askText("Where shall they go?", "Name of the collection", { value, action: "Add them", note });
  return name ? ensureCollection(name) : null;
}

/** Send files into a collection, the open one where none is named. True where all went. */
async function add(files, { unreadable = [], password = "", collection = null } = {}) {
  if (!files.length) {
    const why = unreadable.length ? leftOut(unreadable) : "There was no file in it. Choose or drop files, or a folder that holds some.";
    return attempt(() => Promise.reject(new Error(why)), "Nothing to add");
  }
  return attempt(async () => {
    const into = collection ?? (await target());
    if (!into) return false;
    const fitting = files.filter((one) => one.file.size <= LARGEST);
    const lost = [...unreadable];
    const way = { done: 0, total: fitting.length, stopped: false };
    onTheWay.add(way);
    try {
      announce(`${plural(fitting.length, "file")} on the way into ${visible(into.name)}.`);
      for (const part of parts(fitting)) {
        tellSending();
        await sendPart(part, into, password, way, lost);
        if (way.stopped) return false;
      }
    } finally {
      onTheWay.delete(way);
      tellSending();
    }
    const large = files.length - fitting.length;
    const told = [large && `${plural(large, "file is", "files are")} larger than 1 GiB and can't be read. Split them, or leave them out.`, lost.length && leftOut(lost)].filter(Boolean);
    if (told.length) throw new Error(told.join(" "));
    return true;
  }, "Not everything was added");
}

async function sendPart(part, collection, password, way, lost) {
  const form = new FormData();
  const names = [];
  for (const { file, name } of part) {
    if (way.stopped) return;
    if (!(await readable(file))) {
      lost.push(name);
      continue;
    }
    names.push(name);
    form.append("files", file, "file");
    sent.set(key(collection, name), file);
  }
  if (names.length) {
    form.append("names", JSON.stringify(names));
    if (password) form.append("password", password);
    const job = await upload(`collections/${collection.id}/uploads`, form);
    if (way.stopped) await call("DELETE", `jobs/${job.id}`);
  }
  way.done += part.length;
  change("uploaded");
}

function leftOut(names) {
  const shown = names.slice(0, 5).map((name) => `“${visible(name)}”`);
  const rest = names.length > 5 ? ` and ${plural(names.length - 5, "other")}` : "";
  return `Can't be read and left out: ${shown.join(", ")}${rest}. See whether you can open them, and add them again.`;
}

/** Ask for the password of an encrypted file of a collection and read it with that. True where it was sent. */
export async function unlock(name, collection) {
  const password = await askText("This file is encrypted", `Password of ${visible(name)}`, { type: "password", action: "Read it", note: "It is used to read the file and is not kept." });
  if (!password) return false;
  const file = sent.get(key(collection, name)) ?? (await chooseAgain(name));
  return file ? add([{ file, name }], { password, collection }) : false;
}

function chooseAgain(name) {
  announce(`Choose the file ${visible(name)} once more.`);
  return new Promise((resolve) => {
    const input = el("input", { type: "file" });
    input.addEventListener("change", () => resolve(input.files[0] ?? null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}

export function start() {
  // A file that misses, or that a guest drops, must not be opened in place of the page.
  for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());
  if (isGuest) return;
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
  addEventListener("drop", (event) => {
    hide();
    if (holdsFiles(event)) attempt(() => dropped(event.dataTransfer).then(({ files, unreadable }) => add(files, { unreadable })));
  });
  // What was not sent when the page closes is in no ledger.
  addEventListener("beforeunload", (event) => state.sending && event.preventDefault());
}
