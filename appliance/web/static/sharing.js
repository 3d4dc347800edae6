// Sharing on a local network: off until it is started with it; then its address, as letters and as a QR code, and who is connected.

import { call, file, offers } from "./api.js";
import { copyButton, duration, el, withCode } from "./dom.js";
import { change } from "./state.js";

const SVG = "http://www.w3.org/2000/svg";

/** { node, load() }. */
export function sharing() {
  const node = el("div", { class: "stack" });
  const guests = el("ul", { class: "ledger" });
  let shown = "";
  const load = async () => {
    if (!offers("sharing")) return;
    const told = await call("GET", "sharing");
    change("sharing", { sharing: told });
    const mark = JSON.stringify([told.on, told.address, told.sentence]);
    if (mark !== shown) {
      shown = mark;
      node.replaceChildren(el("p", { class: told.on ? "strong" : false }, ...withCode(told.sentence)), ...(told.on ? open(told, guests) : []));
      if (told.on) node.querySelector(".qr").replaceChildren(...(await code()));
    }
    guests.replaceChildren(...(told.guests.length ? told.guests.map(guest) : [el("li", { class: "quiet" }, "Nobody is connected.")]));
  };
  return { node, load };
}

const open = ({ address, addresses }, guests) => [
  el(
    "div",
    { class: "shared" },
    el("div", { class: "qr" }),
    el("div", { class: "stack" }, el("p", { class: "snippet" }, el("code", { dir: "ltr" }, address), copyButton("Copy", address, { "aria-label": "Copy the address for others" })), el("p", { class: "quiet" }, "Open this address on the other machine, or hold its camera over the square, and give the password."), addresses.length > 1 && el("p", { class: "quiet" }, "If that one doesn't open: ", addresses.slice(1).join(", "))),
  ),
  el("h4", {}, "Who is connected"),
  guests,
];

function guest({ address, since, last }) {
  const ago = (when) => `${duration((Date.now() - new Date(when)) / 1000)} ago`;
  return el("li", {}, el("div", { class: "ledger-text" }, el("p", { class: "strong" }, el("code", { dir: "ltr" }, address)), el("p", { class: "quiet" }, `came ${ago(since)}, was here last ${ago(last)}`)));
}

/** The QR code, drawn from its one path: nothing that is fetched is ever parsed as markup here. */
async function code() {
  const text = await (await file("sharing/qr.svg")).text();
  const path = /<path[^>]*\sd="([MmLlHhVvZz0-9 .,-]+)"/.exec(text);
  const side = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(text) ?? /<svg[^>]*\swidth="([\d.]+)"[^>]*\sheight="([\d.]+)"/.exec(text);
  if (!path || !side) return [];
  const stroked = /<path[^>]*\sstroke=/.test(path[0]) || /<path[^>]*\sstroke=/.test(text);
  const picture = document.createElementNS(SVG, "svg");
  const shape = document.createElementNS(SVG, "path");
  const scale = /transform="scale\(([\d.]+)\)"/.exec(text)?.[1];
  for (const [name, value] of [["viewBox", `0 0 ${side[1]} ${side[2]}`], ["role", "img"], ["aria-label", "QR code of the address"]]) picture.setAttribute(name, value);
  shape.setAttribute("d", path[1]);
  shape.setAttribute("class", stroked ? "stroked" : "filled");
  if (scale) shape.setAttribute("transform", `scale(${scale})`);
  picture.append(shape);
  return [picture];
}
