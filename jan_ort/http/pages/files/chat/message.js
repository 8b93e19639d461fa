// One message as the page shows it.

import { button, element } from "../shared/dom.js";
import { copyButton, rendered } from "../shared/markdown.js";
import { shaded } from "./shades.js";

const NAMES = { user: "You", tool: "Result of a tool" };

/** Return the element of a message. `acts` are what its buttons do; `isLast` messages can be made anew or go on. */
export function messageElement(message, acts, { isLast, isRunning }) {
  const name = NAMES[message.role] ?? message.model ?? "Model";
  const parts = [thoughtOf(message, isRunning), ...imagesOf(message), textOf(message), callsOf(message), errorOf(message)];
  return element(
    "article",
    { className: `message ${message.role}`, ariaLabel: name },
    element("header", {}, element("h2", { textContent: name }), figures(message)),
    ...parts,
    isLast && message.calls?.length && !isRunning ? resultsForm(message.calls, acts.answerCalls) : null,
    isRunning ? element("p", { className: "writing", textContent: message.content || message.thought ? "…" : "Reading…" }) : buttons(message, acts, isLast),
  );
}

function textOf(message) {
  const box = element("div", { className: "text", dir: "auto" });
  if (message.role === "assistant") box.append(message.isShaded ? shaded(message.tokens) : rendered(message.content));
  else box.append(element("div", { className: "plain", textContent: message.content }));
  return box;
}

function thoughtOf(message, isRunning) {
  if (!message.thought) return null;
  const title = isRunning && !message.content ? "Thinking…" : "Thought";
  const details = element("details", { className: "thought", open: Boolean(message.isThoughtOpen) }, element("summary", { textContent: title }), rendered(message.thought));
  details.ontoggle = () => (message.isThoughtOpen = details.open);
  return details;
}

const imagesOf = ({ images }) => (images ?? []).map((src, at) => element("img", { src, alt: `Image ${at + 1} of this message`, className: "sent" }));

function callsOf({ calls }) {
  if (!calls?.length) return null;
  const shown = calls.map(({ function: { name, arguments: given } }) => element("pre", { textContent: `${name}(${given})`, tabIndex: 0, role: "region", ariaLabel: `Call of ${name}` }));
  return element("div", { className: "calls" }, ...shown);
}

const errorOf = ({ error }) => (error ? element("p", { className: "error", role: "alert", textContent: error }) : null);

function figures({ usage, seconds, finish }) {
  if (!usage) return null;
  const rate = seconds ? `, ${(usage.completion_tokens / seconds).toFixed(1)} tokens/s` : "";
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  const ended = finish === "length" ? ", cut at the limit" : "";
  return element("p", { className: "figures", textContent: `${usage.prompt_tokens} + ${usage.completion_tokens} tokens${rate}${ended}`, title: `${cached} tokens of the prompt were cached` });
}

function buttons(message, acts, isLast) {
  const made = [copyButton("Copy", () => message.content)];
  if (message.role === "user") made.push(button("Edit", () => acts.edit(message)));
  if (message.tokens?.length) made.push(button(message.isShaded ? "Text" : "Probabilities", () => acts.shade(message)));
  if (message.role === "assistant" && isLast) made.push(button("Regenerate", () => acts.regenerate(message)));
  return element("div", { className: "acts" }, ...made);
}

/** Return a form in which whoever reads is the tools, and writes what each call returns. */
function resultsForm(calls, answer) {
  const areas = calls.map((call) => element("textarea", { rows: 2, id: `result-${call.id}`, required: true }));
  const fields = calls.map((call, at) => element("div", {}, element("label", { htmlFor: areas[at].id, textContent: `Result of ${call.function.name}` }), areas[at]));
  const form = element("form", { className: "results" }, ...fields, element("button", { type: "submit", textContent: "Send results" }));
  form.onsubmit = (event) => {
    event.preventDefault();
    answer(calls.map((call, at) => ({ role: "tool", call_id: call.id, name: call.function.name, content: areas[at].value })));
  };
  return form;
}
