// One model: where it runs, and how busy it is.

import { element } from "../shared/dom.js";
import { facts, table } from "./facts.js";
import { count, percent } from "./units.js";

export function modelSection({ id, metadata, engine }, rate) {
  const title = element("h2", {}, id, " ", element("span", { className: `state ${metadata.status}`, textContent: metadata.status }));
  const parts = [
    element("dl", { className: "facts" }, ...facts({ Tasks: metadata.tasks.join(", "), Backend: metadata.backend, "Context length": metadata.context_length && count(metadata.context_length), "Runs on": metadata.device?.used })),
    engine ? element("dl", { className: "facts" }, ...facts(loadOf(engine, rate))) : null,
    metadata.device ? deviceTable(id, metadata.device) : null,
    metadata.error || engine?.failure ? element("p", { className: "error", textContent: metadata.error ?? engine.failure }) : null,
  ];
  return element("section", { ariaLabel: id }, title, ...parts);
}

function loadOf(engine, rate) {
  return {
    Slots: meter(`${engine.num_running} of ${engine.num_slots}`, engine.num_running / engine.num_slots),
    Queue: engine.num_waiting,
    "KV cache": meter(percent(engine.cache_usage), engine.cache_usage),
    "Tokens/s": rate === null ? "…" : rate.toFixed(1),
    "First token": engine.first_token_s === null ? null : `${engine.first_token_s.toFixed(2)} s (mean)`,
    Prompts: `${count(engine.num_prompt_tokens)} tokens`,
    "From the cache": engine.num_prompt_tokens ? percent(engine.num_cached_tokens / engine.num_prompt_tokens) : null,
    Generated: `${count(engine.num_generated_tokens)} tokens`,
    Ended: Object.entries(engine.num_ended).map(([reason, number]) => `${reason} ${count(number)}`).join(", "),
  };
}

const meter = (label, value) => element("span", {}, label, " ", element("meter", { value, ariaLabel: label }));

/** Return how many of the model's nodes run on each provider, and why others do not take part. */
function deviceTable(id, { nodes, declined, requested }) {
  const rows = [...Object.entries(nodes), ...Object.entries(declined).map(([provider, reason]) => [provider, `declined: ${reason}`])];
  const asked = requested ? ` (asked for: ${requested})` : "";
  return rows.length ? table(`Nodes of ${id} by provider${asked}`, ["Provider", "Nodes"], rows) : null;
}
