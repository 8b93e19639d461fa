// The settings of a conversation: one line for each field of a request, from which the form is made.

import { $, element } from "../shared/dom.js";

const number = (name, label, min, max, step) => ({ name, label, type: "number", min, max, step });

export const FIELDS = [
  { name: "system", label: "System prompt", type: "textarea", rows: 3 },
  number("temperature", "Temperature", 0, 2, 0.05),
  number("top_p", "Top p", 0, 1, 0.01),
  number("min_p", "Min p", 0, 1, 0.01),
  number("top_k", "Top k", 0, 1000, 1),
  number("repeat_penalty", "Repeat penalty", 0, 2, 0.05),
  number("presence_penalty", "Presence penalty", -2, 2, 0.1),
  number("frequency_penalty", "Frequency penalty", -2, 2, 0.1),
  number("max_tokens", "Max tokens", 1, 1000000, 1),
  number("seed", "Seed", -1, Number.MAX_SAFE_INTEGER, 1),
  { name: "stop", label: "Stop sequences, one per line", type: "textarea", rows: 2 },
  { name: "schema", label: "JSON schema of the answer", type: "textarea", rows: 4, isCode: true },
  { name: "tools", label: "Tools, as a JSON array", type: "textarea", rows: 4, isCode: true },
  { name: "logprobs", label: "Token probabilities", type: "checkbox" },
];

const idOf = (name) => `setting-${name}`;

/** Put the fields into the form; `changed` is called with a name and its value. */
export function makeForm(form, changed) {
  for (const field of FIELDS) {
    const input = inputOf(field);
    input.oninput = () => changed(field.name, field.type === "checkbox" ? input.checked : input.value);
    form.append(element("div", { className: `field ${field.type}` }, element("label", { htmlFor: input.id, textContent: field.label }), input));
  }
}

function inputOf({ name, label, type, isCode, ...attributes }) {
  if (type === "textarea") return element("textarea", { id: idOf(name), spellcheck: !isCode, className: isCode ? "code" : "", ...attributes });
  return element("input", { id: idOf(name), type, ...attributes });
}

/** Show a conversation's settings. */
export function showSettings(settings) {
  for (const { name, type } of FIELDS) {
    if (type === "checkbox") $(idOf(name)).checked = Boolean(settings[name]);
    else $(idOf(name)).value = settings[name] ?? "";
  }
}

/** Show in the empty fields what the server takes where nothing is given. */
export function showDefaults(defaults) {
  for (const { name, type } of FIELDS) if (type === "number") $(idOf(name)).placeholder = defaults[name] ?? "";
}
