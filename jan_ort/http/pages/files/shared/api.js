// Asking this server, as any client does. Addresses are relative: a proxy may serve all of it below a prefix.

import { askForKey, key } from "./key.js";

export class ApiError extends Error {
  constructor(message, status, code) {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** Return the response to a request, of which a body makes a POST; asks for a key where one is missing or wrong. */
export async function ask(path, { body, signal, accept = "application/json" } = {}) {
  for (;;) {
    const response = await send(path, body, signal, accept);
    if (response.ok) return response;
    const error = await readError(response);
    if (error.code !== "invalid_api_key" || !(await askForKey(error.message))) throw error;
  }
}

function send(path, body, signal, accept) {
  const headers = { Accept: accept };
  if (key()) headers.Authorization = `Bearer ${key()}`;
  if (body === undefined) return fetch(path, { headers, signal, cache: "no-store" });
  headers["Content-Type"] = "application/json";
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

async function readError(response) {
  const text = await response.text();
  try {
    const { message, code } = JSON.parse(text).error;
    return new ApiError(message, response.status, code);
  } catch {
    return new ApiError(`${response.status} ${response.statusText}: ${text.slice(0, 500)}`, response.status, null);
  }
}

/** Yield the events of a stream as `{name, text}`; read by fetch, for an EventSource sends no key. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const frames = (rest + value).split("\n\n");
      rest = frames.pop();
      yield* frames.map(readFrame).filter((event) => event.text);
    }
  } finally {
    await reader.cancel().catch(() => {}); // it has failed or ended already
  }
}

function readFrame(frame) {
  const event = { name: "message", text: "" };
  for (const line of frame.split("\n")) {
    if (line.startsWith("data: ")) event.text += line.slice(6);
    if (line.startsWith("event: ")) event.name = line.slice(7);
  }
  return event;
}
