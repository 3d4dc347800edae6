// What it costs: watt-hours of an answer and of the day, each with how it is known; the battery; and the saver, offered, never forced.

import { call, offers } from "./api.js";
import { attempt, dialog } from "./dialogs.js";
import { $, announce, day, el, plural } from "./dom.js";
import { change, on, state } from "./state.js";

const EVERY = 60000;
const LEVELS = [
  ["off", "Don't save"],
  ["threads", "Fewer threads"],
  ["model", "A smaller model"],
  ["quotes", "Quotes only"],
];

/** Two places are more than any of these methods can tell. */
export const wattHours = (value) => `${value.toLocaleString("en", { maximumSignificantDigits: value >= 100 ? 3 : 2 })} Wh`;

const doubtWords = (doubt) => (doubt ? ` ±\u00a0${Math.round(100 * doubt)}\u00a0%` : "");

/** { joules, method, plus_minus, seconds } in words: "0.012 Wh, estimated ± 40 %". */
export function energyWords({ joules, method, plus_minus: doubt }) {
  return `${wattHours(joules / 3600)}, ${method.split(" ")[0]}${doubtWords(doubt)}`;
}

async function load() {
  if (!offers("energy")) return;
  change("energy", { energy: await call("GET", "energy") });
}

function show() {
  const { energy } = state;
  $("energy").hidden = !energy;
  if (!energy) return;
  const saving = energy.saver.on ? "saving · " : "";
  $("energy").lastElementChild.textContent = `${saving}${wattHours(energy.today.watt_hours)} today`;
  const { battery } = energy;
  $("battery").hidden = !battery?.discharging;
  if (battery?.discharging) {
    const left = battery.answers_left === null ? "" : `, about ${plural(battery.answers_left, "answer")} left`;
    $("battery").lastElementChild.textContent = `${Math.round(battery.percent)} %${left}${energy.saver.offered ? ": save energy?" : ""}`;
    $("battery").classList.toggle("warn", energy.saver.offered);
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
    ["Today", `${wattHours(today.watt_hours)}${doubtWords(today.plus_minus)} for ${plural(today.answers, "answer")} and ${plural(today.documents, "document")} read`],
    ["How it is known", method],
    battery && ["Battery", `${Math.round(battery.percent)} %, ${battery.discharging ? "in use" : "not in use"}`],
    battery && battery.answers_left !== null && ["At this rate", `about ${plural(battery.answers_left, "answer")} left`],
  ];
  return [
    el("p", {}, sentence),
    el("dl", { class: "facts" }, ...facts.filter(Boolean).flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)])),
    battery?.sentence && el("p", { class: saver.offered ? "strong" : "quiet" }, battery.sentence),
    el("fieldset", { class: "saver" }, el("legend", {}, "Save energy"), el("p", { class: "quiet" }, "You choose; Haversack never changes it by itself."), ...LEVELS.map(([level, words]) => saving(level, words, saver, again))),
    days?.length > 1 && history(days),
  ].filter(Boolean);
}

function saving(level, words, saver, again) {
  const id = `saver-${level}`;
  const pick = () =>
    attempt(async () => {
      await call("PUT", "energy/saver", { level });
      await load();
      announce(level === "off" ? "Nothing is saved." : `${words}: from the next question on.`);
    }).finally(() => {
      again();
      $(id)?.focus();
    });
  const radio = el("input", { type: "radio", name: "saver", id, onchange: pick, "aria-describedby": `${id}-note` });
  radio.checked = saver.level === level;
  return el("div", { class: "choice" }, radio, el("div", {}, el("label", { for: id }, words), el("p", { class: "quiet", id: `${id}-note` }, saver.levels[level] ?? "Everything as it is set.")));
}

function history(days) {
  const head = el("thead", {}, el("tr", {}, ...["Day", "Energy", "Answers", "Documents"].map((name) => el("th", { scope: "col" }, name))));
  const rows = days.map((one) => el("tr", {}, el("th", { scope: "row" }, day(one.date)), el("td", {}, wattHours(one.watt_hours)), el("td", {}, String(one.answers)), el("td", {}, String(one.documents))));
  return el("details", {}, el("summary", {}, "The days before"), el("table", {}, head, el("tbody", {}, ...rows)));
}

export function start() {
  for (const id of ["energy", "battery"]) $(id).addEventListener("click", showEnergy);
  on("energy", show);
  on("answering", () => state.answering || load().catch(() => {}));
  const tick = () => load().catch(() => {}).finally(() => setTimeout(tick, EVERY));
  tick();
}
