// What the page knows, in one place. `change` sets values and tells those who listen to that name: "conversation" where another one was
// opened, "kept" where an answer was kept in the one that is open, or has begun it.

export const state = {
  status: null,
  collections: [],
  packs: [], // those that can't be read now are told of too
  collection: null, // the open one
  conversations: [],
  conversation: null, // the open one; null: a new one begins with the next question
  scope: null, // ids of the documents that are asked; null: all
  answering: false,
  shelf: null, // { models, purposes, memory }
  own: { parameters: {}, model: "" }, // what the open conversation, or the next one, sets for itself; null: it could not be read
  programs: null, // { api, sentence, address, keys, queue }
  sharing: null, // { on, address, sentence, guests }
  energy: null, // { method, sentence, last_answer, today, days, battery, saver }
  preferences: null, // what holds here: { parameters, model, effective, effective_model, sentence }
};

const bus = new EventTarget();

export function change(name, values = {}) {
  Object.assign(state, values);
  bus.dispatchEvent(new Event(name));
}

export function on(names, listener) {
  for (const name of names.split(" ")) bus.addEventListener(name, listener);
}
