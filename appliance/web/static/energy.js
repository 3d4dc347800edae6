// What it costs: watt-hours of an answer and of the day, each with how it is known; the battery; and the saver, offered, never forced.

import { call, offers } from "./api.js";
import { attempt, dialog } from "./dialogs.js";
import { $, announce, el, plural } from "./dom.js";
import { change, on, state } from "./state.js";

const EVERY = 60000;

/** Two places are more than any of these methods can tell. */
export const wattHours = (value) => `${value.toLocaleString("en", { maximumSignificantDigits: value >= 100 ? 3 : 2 })} Wh`;

/** { joules, method, plus_minus, seconds } in words: "0.012 Wh, estimated ± 40 %". */
export function energyWords({ joules, method, plus_minus: doubt }) {
  return `${wattHours(joules / 3600)}, ${method}${doubt ? ` ± ${Math.round(100 * doubt)} %` : ""}`;
}

async function load() {
  if (!offers("energy")) return;
  change("energy", { energy: await call("GET", "energy") });
}

function show() {
  const { energy } = state;
  $("energy").hidden = !energy;
  if (!energy) return;
  $("energy").lastElementChild.textContent = `${wattHours(energy.today.watt_hours)} today`;
  const { battery } = energy;
  $("battery").hidden = !battery?.discharging;
  if (battery?.discharging) {
    const left = battery.answers_left === null ? "" : `, about ${plural(battery.answers_left, "answer")} left`;
    $("battery").lastElementChild.textContent = `${Math.round(battery.percent)} %${left}`;
    $("battery").classList.toggle("warn", battery.percent <= 20);
  }
}

export async function showEnergy() {
  await attempt(load);
  if (!state.energy) return;
  const content = el("div", { class: "stack" });
  const fill = () => content.replaceChildren(...told(state.energy, fill));
  fill();
  dialog("Energy", content);
}

function told({ method, sentence, last_answer: last, today, days, battery, saver }, again) {
  const facts = [
    last && ["The last answer", energyWords(last)],
    ["Today", `${wattHours(today.watt_hours)} for ${plural(today.answers, "answer")} and ${plural(today.documents, "document")} read`],
    ["How it is known", method],
    battery && ["Battery", `${Math.round(battery.percent)} %, ${battery.discharging ? "in use" : "not in use"}`],
    battery && battery.answers_left !== null && ["At this rate", `about ${plural(battery.answers_left, "answer")} left`],
  ];
  return [
    el("p", {}, sentence),
    el("dl", { class: "facts" }, ...facts.filter(Boolean).flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)])),
    battery?.sentence && el("p", { class: "quiet" }, battery.sentence),
    el("h3", {}, "Saver"),
    el("p", {}, saver.on ? "The saver is on. It changes:" : "On a weak battery you can turn the saver on. It changes:"),
    el("ul", { class: "bullets" }, ...saver.what.map((words) => el("li", {}, words))),
    el("p", {}, el("button", { type: "button", id: "saver", onclick: () => toggle(!saver.on, again) }, saver.on ? "Turn the saver off" : "Turn the saver on")),
    days?.length > 1 && history(days),
  ].filter(Boolean);
}

async function toggle(wanted, again) {
  await attempt(async () => {
    await call("PUT", "energy/saver", { on: wanted });
    await load();
    again();
    $("saver")?.focus();
    announce(wanted ? "The saver is on." : "The saver is off.");
  });
}

function history(days) {
  const head = el("thead", {}, el("tr", {}, ...["Day", "Energy", "Answers", "Documents"].map((name) => el("th", { scope: "col" }, name))));
  const rows = days.map((one) => el("tr", {}, el("th", { scope: "row" }, one.day), el("td", {}, wattHours(one.watt_hours)), el("td", {}, String(one.answers)), el("td", {}, String(one.documents))));
  return el("details", {}, el("summary", {}, "The days before"), el("table", {}, head, el("tbody", {}, ...rows)));
}

export function start() {
  for (const id of ["energy", "battery"]) $(id).addEventListener("click", showEnergy);
  on("energy", show);
  on("answering", () => state.answering || load().catch(() => {}));
  const tick = () => load().catch(() => {}).finally(() => setTimeout(tick, EVERY));
  tick();
}
