// The API's key: kept for this tab alone, sent in a header alone.

import { element } from "./dom.js";

const NAME = "jan-ort-key";

export const key = () => sessionStorage.getItem(NAME);

let asking = null;

/** Ask for a key; the promise says whether one was given. Whoever asks meanwhile waits for the same answer. */
export function askForKey(reason) {
  asking ??= showDialog(reason).finally(() => (asking = null));
  return asking;
}

function showDialog(reason) {
  const input = element("input", { type: "password", id: "key", required: true, autocomplete: "off" });
  const cancel = element("button", { type: "button", textContent: "Cancel" });
  const form = element(
    "form",
    {},
    element("h2", { textContent: "API key", id: "key-title" }),
    element("p", { textContent: reason }),
    element("label", { htmlFor: "key", textContent: "Key" }),
    input,
    element("p", { className: "hint", textContent: "It is kept until this tab is closed, and never put into an address." }),
    element("div", { className: "buttons" }, cancel, element("button", { type: "submit", className: "main", textContent: "Use this key" })),
  );
  const dialog = element("dialog", {}, form);
  dialog.setAttribute("aria-labelledby", "key-title");
  document.body.append(dialog);
  return new Promise((resolve) => {
    let isGiven = false;
    form.onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(NAME, input.value.trim());
      isGiven = true;
      dialog.close();
    };
    cancel.onclick = () => dialog.close();
    dialog.onclose = () => {
      dialog.remove();
      resolve(isGiven);
    };
    dialog.showModal();
  });
}
