// The JavaScript clients of OpenAI and of Ollama, run by node. Prints which calls were run and what failed, as programs/telling.py does.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// They lie in a folder of their own (.clients/javascript), not beside this file.
const require = createRequire(process.env.HAVERSACK_TEST_MODULES + "/");
const OpenAI = require("openai").OpenAI;
const { Ollama } = require("ollama");

const BASE = process.env.HAVERSACK_TEST_URL;
const KEY = process.env.HAVERSACK_TEST_KEY;
const SMALL = "smollm2-135m-instruct";
const TOOLS = "with-tools";
const FIELD = `${SMALL}@field-notes`;
const EMBEDDER = "all-minilm-l6-v2";
const QUESTION = "Who repaired the pump at Kidatu?";
const HELLO = [{ role: "user", content: "What is a well?" }];
const SCHEMA = {
  type: "object",
  properties: { town: { type: "string", maxLength: 20 }, people: { type: "integer" } },
  required: ["town", "people"],
  additionalProperties: false,
};
const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a town",
    parameters: { type: "object", properties: { town: { type: "string", maxLength: 20 } }, required: ["town"] },
  },
};

const openai = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: KEY, maxRetries: 0 });
const ollama = new Ollama({ host: BASE, headers: { Authorization: `Bearer ${KEY}` } });
const short = { max_tokens: 24, temperature: 0 };
const options = { num_predict: 24, temperature: 0 };

async function joined(stream, piece) {
  let text = "";
  for await (const one of stream) text += piece(one) ?? "";
  return text;
}

const calls = {
  "openai: models.list": async () => {
    const names = [];
    for await (const model of openai.models.list()) names.push(model.id);
    for (const name of [SMALL, TOOLS, FIELD, EMBEDDER]) assert(names.includes(name), name);
  },
  "openai: chat.completions.create": async () => {
    const answer = await openai.chat.completions.create({ model: SMALL, messages: HELLO, ...short });
    assert(answer.choices[0].message.content);
    assert(answer.usage.completion_tokens <= 24);
  },
  "openai: chat.completions.create, stream": async () => {
    const whole = await openai.chat.completions.create({ model: SMALL, messages: HELLO, ...short });
    const stream = await openai.chat.completions.create({ model: SMALL, messages: HELLO, ...short, stream: true });
    assert.equal(await joined(stream, (one) => one.choices[0].delta.content), whole.choices[0].message.content);
  },
  "openai: chat.completions.create, response_format json_schema": async () => {
    const response_format = { type: "json_schema", json_schema: { name: "place", schema: SCHEMA, strict: true } };
    const answer = await openai.chat.completions.create({ model: SMALL, messages: HELLO, temperature: 0, max_tokens: 100, response_format });
    const data = JSON.parse(answer.choices[0].message.content);
    assert.deepEqual(Object.keys(data).sort(), ["people", "town"]);
  },
  "openai: chat.completions.create, tools": async () => {
    const messages = [{ role: "user", content: "How is the weather in Kidatu?" }];
    const answer = await openai.chat.completions.create({
      model: TOOLS, messages, tools: [WEATHER], tool_choice: "required", max_tokens: 80, temperature: 0,
    });
    assert.equal(answer.choices[0].message.tool_calls[0].function.name, "get_weather");
  },
  "openai: chat.completions.create, collection": async () => {
    const answer = await openai.chat.completions.create({ model: FIELD, messages: [{ role: "user", content: QUESTION }] });
    assert(answer.choices[0].message.content.includes("Amina Salum"));
    assert.equal(answer.sources[0].document, "well.md");
  },
  "openai: responses.create": async () => {
    const answer = await openai.responses.create({ model: SMALL, input: "What is a well?", max_output_tokens: 24, temperature: 0 });
    assert(answer.output_text);
  },
  "openai: responses.create, stream": async () => {
    const stream = await openai.responses.create({ model: SMALL, input: "What is a well?", max_output_tokens: 24, temperature: 0, stream: true });
    assert(await joined(stream, (one) => (one.type === "response.output_text.delta" ? one.delta : "")));
  },
  "openai: completions.create": async () => {
    const answer = await openai.completions.create({ model: SMALL, prompt: "The capital of France is", max_tokens: 8, temperature: 0 });
    assert(answer.choices[0].text.includes("Paris"));
  },
  "openai: embeddings.create": async () => {
    const found = await openai.embeddings.create({ model: EMBEDDER, input: ["The pump was repaired."] });
    assert.equal(found.data[0].embedding.length, 384);
    const plain = await openai.embeddings.create({ model: EMBEDDER, input: "The pump was repaired.", encoding_format: "float" });
    assert(Math.abs(plain.data[0].embedding[0] - found.data[0].embedding[0]) < 1e-3);
  },
  "openai: errors": async () => {
    await assert.rejects(openai.chat.completions.create({ model: "no-such-model", messages: HELLO }), OpenAI.NotFoundError);
    await assert.rejects(openai.chat.completions.create({ model: SMALL, messages: HELLO, temperature: -1 }), OpenAI.BadRequestError);
    const stranger = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: "wrong", maxRetries: 0 });
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  },
  "ollama: list": async () => {
    const names = (await ollama.list()).models.map((model) => model.model);
    for (const name of [SMALL, TOOLS, FIELD, EMBEDDER]) assert(names.includes(`${name}:latest`), name);
  },
  "ollama: show": async () => assert.equal((await ollama.show({ model: SMALL })).details.format, "gguf"),
  "ollama: chat": async () => assert((await ollama.chat({ model: SMALL, messages: HELLO, options })).message.content),
  "ollama: chat, stream": async () => {
    const whole = await ollama.chat({ model: SMALL, messages: HELLO, options });
    assert.equal(await joined(await ollama.chat({ model: SMALL, messages: HELLO, options, stream: true }), (one) => one.message.content), whole.message.content);
  },
  "ollama: chat, format": async () => {
    const answer = await ollama.chat({ model: SMALL, messages: HELLO, format: SCHEMA, options: { temperature: 0, num_predict: 100 } });
    assert.equal(typeof JSON.parse(answer.message.content).people, "number");
  },
  "ollama: chat, collection": async () => {
    const answer = await ollama.chat({ model: FIELD, messages: [{ role: "user", content: QUESTION }] });
    assert(answer.message.content.includes("Amina Salum"));
    assert.equal(answer.sources[0].document, "well.md");
  },
  "ollama: generate": async () => assert((await ollama.generate({ model: SMALL, prompt: "What is a well?", options })).response),
  "ollama: embed": async () => assert.equal((await ollama.embed({ model: EMBEDDER, input: ["one", "two"] })).embeddings.length, 2),
  "ollama: ps": async () => assert((await ollama.ps()).models.length > 0),
  "ollama: errors": async () => {
    await assert.rejects(ollama.chat({ model: "no-such-model", messages: HELLO }), /no-such-model/);
    const stranger = new Ollama({ host: BASE, headers: { Authorization: "Bearer wrong" } });
    await assert.rejects(stranger.list(), /haversack keys add/);
  },
};

const failed = {};
for (const [name, run] of Object.entries(calls)) {
  try {
    await run();
  } catch (error) {
    failed[name] = String(error.stack ?? error).slice(0, 3000);
  }
}
console.log(JSON.stringify({ ran: Object.keys(calls), failed }));
