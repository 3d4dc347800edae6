// Requests to the appliance: JSON, files, and the stream of an answer. Every one goes to this page's own origin.

import { change } from "./state.js";

const HEADERS = { "X-Haversack": "1" };

/** What went wrong, in a sentence for the user. */
export class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function request(method, path, options = {}) {
  let response;
  try {
    response = await fetch(`/api/${path}`, { method, ...options, headers: { ...HEADERS, ...options.headers }, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("unreachable", "Haversack does not answer. Look whether it still runs, and start it again if not. Nothing was lost.");
  }
  if (response.ok) return response;
  let told = null;
  try {
    told = (await response.json()).error;
  } catch {
    // not in our shape: the sentence below will do
  }
  const failure = new Failure(told?.code ?? "unexpected", told?.message ?? `Something unexpected went wrong (${response.status}). Try again.`);
  if (response.status === 401) change("outdated");
  throw failure;
}

const asJson = (body) => (body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

export async function call(method, path, body) {
  const response = await request(method, path, asJson(body));
  return response.status === 204 ? null : response.json();
}

export const file = async (path, signal) => (await request("GET", path, { signal })).blob();

export async function upload(path, form) {
  return (await request("POST", path, { body: form })).json();
}

/** Whether this appliance has that part of the API at all, and gives it to whoever sits here. */
export const offers = (part) => document.body.dataset.offers.split(" ").includes(part);

/** Whether whoever sits here is a guest, on another machine: one who asks and reads. */
export const isGuest = "guest" in document.body.dataset;

/** Send a form with one large file: `progress(sent, total)` in bytes on the way. Only XMLHttpRequest tells how far an upload is. */
export function send(path, form, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const broken = () => reject(new Failure("unreachable", "The file could not be sent: Haversack took no more of it. Look whether it still runs, and that there is space on its disk."));
    request.open("POST", `/api/${path}`);
    for (const [name, value] of Object.entries(HEADERS)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.total));
    request.addEventListener("error", broken);
    request.addEventListener("abort", () => reject(new DOMException("Stopped.", "AbortError")));
    request.addEventListener("load", () => {
      let told = {};
      try {
        told = JSON.parse(request.responseText);
      } catch {
        // not in our shape: the sentence below will do
      }
      if (request.status < 300) return resolve(told);
      if (request.status === 401) change("outdated");
      return reject(new Failure(told.error?.code ?? "unexpected", told.error?.message ?? `Something unexpected went wrong (${request.status}). Try again.`));
    });
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** Server-sent events of a POST: `handle(name, value)` for each, in order. */
export async function stream(path, body, signal, handle) {
  const response = await request("POST", path, { ...asJson(body), signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read().catch(brokenOff);
    if (done) return;
    waiting += value;
    const events = waiting.split("\n\n");
    waiting = events.pop();
    for (const event of events) deliver(event, handle);
  }
}

/** Where the appliance ends in the middle, browsers say "network error", of which there is none here. */
function brokenOff(error) {
  if (error.name === "AbortError") throw error;
  throw new Failure("unreachable", "It broke off in the middle. Look whether Haversack still runs, start it again if not, and ask again.");
}

function deliver(event, handle) {
  const fields = Object.fromEntries(event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
  if (fields.event && fields.data) handle(fields.event, JSON.parse(fields.data));
}
