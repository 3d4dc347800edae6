// Other programs on this machine, and other machines on the network: who may ask, how, and who is there.

import { call, offers } from "./api.js";
import { attempt, confirm, dialog } from "./dialogs.js";
import { $, copyButton, day, el, iconButton, nameNode, plural, visible, withCode } from "./dom.js";
import { sharing } from "./sharing.js";
import { change, on, state } from "./state.js";

const EVERY = 3000;

const code = (label, words) => el("div", { class: "snippet" }, el("pre", { class: "code", tabindex: "0", role: "region", "aria-label": label }, words), copyButton("Copy", words, { "aria-label": `Copy: ${label}` }));

export async function showPrograms() {
  const body = el("div", { class: "stack" });
  const keys = el("ul", { class: "ledger keys-list" });
  const once = el("div", { class: "once", role: "status" });
  const queue = el("div", {});
  const about = el("div", { class: "stack" });
  const shared = sharing();
  let known = null;

  const load = async () => {
    known = await call("GET", "programs");
    change("programs", { programs: known });
    show();
  };
  const remove = async (key) => {
    if (!(await confirm("Remove this key?", `Whatever uses the key “${visible(key.name)}” can't ask any more.`, "Remove it"))) return;
    await attempt(() => call("DELETE", `programs/keys/${encodeURIComponent(key.name)}`).then(load));
  };
  const show = () => {
    const used = (key) => [`made ${day(key.made)}`, key.used ? `last used ${day(key.used)}` : "never used"].join(" · ");
    const lines = known.keys.map((key) => el("li", { "data-key": key.name }, el("div", { class: "ledger-text" }, el("p", { class: "strong" }, nameNode(key.name)), el("p", { class: "quiet" }, used(key))), iconButton("remove", `Remove the key ${visible(key.name)}`, () => remove(key))));
    fill(keys, known.keys, lines.length ? lines : [el("li", { class: "quiet" }, "No key yet.")]);
    fill(queue, known.queue, known.queue.length ? known.queue.map((one) => el("p", {}, nameNode(one.client), `: ${one.ahead === 0 ? "is being answered" : `${plural(one.ahead, "question")} before it`}`)) : [el("p", { class: "quiet" }, "Nobody waits.")]);
    fill(about, [known.api, known.sentence, known.address], toldOf(known));
  };

  const name = el("input", { id: "key-name", type: "text", autocomplete: "off", maxlength: 64, required: true, dir: "auto" });
  const form = el("form", { class: "line" }, el("label", { for: name.id }, "A new key, named for the program that gets it"), name, el("button", { type: "submit" }, "Make a key"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const made = await call("POST", "programs/keys", { name: name.value.trim() });
      name.value = "";
      once.replaceChildren(
        el("p", { class: "strong" }, "The key of “", nameNode(made.name), "”. It is shown this once: copy it now."),
        el("p", { class: "snippet" }, el("code", { class: "secret", dir: "ltr" }, made.key), copyButton("Copy the key", made.key)),
      );
      await load();
    }, "No key was made");
  });

  body.append(
    section("The server", about),
    section("Keys", el("p", { class: "quiet" }, "A program shows its key when it asks. Haversack can't show it a second time: a lost key is made anew."), keys, form, once),
    section("Who waits", queue),
    section("Other machines on this network", shared.node),
  );
  const { box } = dialog("Programs and sharing", body, { wide: true });
  await attempt(load);
  await attempt(shared.load);
  const timer = setInterval(() => {
    if (!box.isConnected) return clearInterval(timer);
    return Promise.all([load(), shared.load()]).catch(() => {});
  }, EVERY);
}

let count = 0;

function section(title, ...content) {
  count += 1;
  const heading = el("h3", { id: `programs-${count}` }, title);
  return el("section", { class: "group", "aria-labelledby": heading.id }, heading, ...content);
}

/** Put the nodes there only where they say something new: the focus stays where it is. */
function fill(place, value, nodes) {
  const mark = JSON.stringify(value);
  if (place.dataset.mark === mark) return;
  place.dataset.mark = mark;
  place.replaceChildren(...nodes);
}

/** In plain words who may use it, and how a program is pointed here. */
function toldOf({ api, sentence, address }) {
  // Whoever reads this here has the form below, and perhaps no terminal.
  const told = el("p", { class: api === "open" ? "notice bad" : "strong" }, ...withCode(api === "keys" ? "Programs need a key: make one below." : sentence));
  if (api === "off") return [told];
  const key = api === "open" ? "any" : "YOUR-KEY";
  const model = state.shelf?.purposes.answering ?? "MODEL";
  const openai = `from openai import OpenAI\n\nclient = OpenAI(base_url="${address}/v1", api_key="${key}")\nanswer = client.chat.completions.create(\n    model="${model}",\n    messages=[{"role": "user", "content": "Hello"}],\n)\nprint(answer.choices[0].message.content)`;
  const ollama = `from ollama import Client\n\nclient = Client(\n    host="${address}",\n    headers={"Authorization": "Bearer ${key}"},\n)\nanswer = client.chat(\n    model="${model}",\n    messages=[{"role": "user", "content": "Hello"}],\n)\nprint(answer.message.content)`;
  return [
    told,
    el("p", { class: "snippet" }, el("span", { class: "quiet" }, "Address"), el("code", { dir: "ltr" }, address), copyButton("Copy", address, { "aria-label": "Copy the address" })),
    el("details", { "data-part": "openai" }, el("summary", {}, "A program made for OpenAI"), code("A program made for OpenAI", openai)),
    el("details", { "data-part": "ollama" }, el("summary", {}, "A program made for Ollama"), code("A program made for Ollama", ollama)),
    el("p", { class: "quiet" }, "To ask a collection, name it after the model: ", el("code", {}, `${model}@collection-name`), ". The answer then comes with its sources."),
  ];
}

function badge() {
  $("open-programs").hidden = state.programs?.api !== "open";
}

export function start() {
  $("open-keys").hidden = !offers("programs");
  for (const id of ["open-keys", "open-programs", "guests"]) $(id).addEventListener("click", showPrograms);
  on("programs", badge);
  if (offers("programs")) call("GET", "programs").then((programs) => change("programs", { programs })).catch(() => {});
  on("sharing", () => {
    const { sharing: shared } = state;
    $("guests").hidden = !shared?.on;
    if (shared?.on) $("guests").lastElementChild.textContent = shared.guests.length ? `Shared with ${shared.guests.length}` : "Shared";
  });
  // What isn't shared from the start stays so; where it is, who is there comes and goes.
  on("status", () => {
    if (!offers("sharing") || state.sharing?.on === false) return;
    call("GET", "sharing").then((shared) => change("sharing", { sharing: shared })).catch(() => {});
  });
}
