// An answer as it comes: each event adds to the message that is shown.

import { ApiError, ask, events } from "../shared/api.js";

export const newAnswer = (model) => ({ role: "assistant", model, content: "", thought: "", calls: [], tokens: [] });

/** Fill the message until the stream ends; `changed` is called after each event. Throws what ends it early. */
export async function receive(message, body, signal, changed) {
  const began = performance.now();
  let isWhole = false;
  const response = await ask("v1/chat/completions", { body, signal, accept: "text/event-stream" });
  for await (const { text } of events(response)) {
    if (text === "[DONE]") {
      isWhole = true;
      continue;
    }
    const chunk = JSON.parse(text);
    if (chunk.error) throw new ApiError(chunk.error.message, null, chunk.error.code);
    add(message, chunk);
    message.seconds = (performance.now() - began) / 1000;
    changed();
  }
  if (!isWhole) throw new Error("the connection was cut before the answer was whole");
}

function add(message, { model, choices, usage }) {
  message.model = model;
  if (usage) message.usage = usage;
  const [choice] = choices;
  if (!choice) return;
  message.content += choice.delta.content ?? "";
  message.thought += choice.delta.reasoning_content ?? "";
  for (const piece of choice.delta.tool_calls ?? []) addCall(message.calls, piece);
  for (const token of choice.logprobs?.content ?? []) message.tokens.push(kept(token));
  if (choice.finish_reason) message.finish = choice.finish_reason;
}

function addCall(calls, piece) {
  const call = (calls[piece.index] ??= { id: piece.id, type: "function", function: { name: "", arguments: "" } });
  call.function.name += piece.function?.name ?? "";
  call.function.arguments += piece.function?.arguments ?? "";
}

const kept = ({ token, logprob, top_logprobs }) => ({ token, logprob, top: top_logprobs.map((each) => [each.token, each.logprob]) });
