// A conversation as the body of a request.

import { FIELDS } from "./fields.js";

const NUMBERS = FIELDS.filter((field) => field.type === "number").map((field) => field.name);

/** Return the body. Throws an Error that names the setting which is not JSON. */
export function requestOf({ settings, messages }, model) {
  const system = settings.system?.trim() ? [{ role: "system", content: settings.system }] : [];
  const body = { ...(model ? { model } : {}), messages: [...system, ...messages.filter(isWhole).map(sentMessage)] };
  for (const name of NUMBERS) if (settings[name]) body[name] = Number(settings[name]);
  const stop = (settings.stop ?? "").split("\n").filter(Boolean);
  if (stop.length) body.stop = stop;
  if (settings.tools?.trim()) body.tools = readJson("Tools", settings.tools);
  if (settings.schema?.trim()) body.response_format = jsonSchema(readJson("JSON schema", settings.schema));
  if (settings.logprobs) Object.assign(body, { logprobs: true, top_logprobs: 5 });
  return { ...body, stream: true, stream_options: { include_usage: true } };
}

/** Whether a message says something: an answer that failed, or was stopped before its first word, does not. */
const isWhole = ({ role, error, content, calls }) => role !== "assistant" || (!error && (content || calls?.length));

const jsonSchema = (schema) => ({ type: "json_schema", json_schema: { name: "answer", schema } });

function readJson(label, text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${label}, in the settings: this is not valid JSON (${error.message})`);
  }
}

function sentMessage({ role, content, images, calls, call_id, name }) {
  if (role === "tool") return { role, content, tool_call_id: call_id, name };
  if (role === "assistant") return calls?.length ? { role, content: content || null, tool_calls: calls } : { role, content };
  if (!images?.length) return { role, content };
  const parts = images.map((url) => ({ type: "image_url", image_url: { url } }));
  return { role, content: [...parts, { type: "text", text: content }] };
}
