// Names for fields that Swagger UI leaves without one, so that a screen reader can say what each is.

const NAMES = {
  ".body-param__text": "Request body",
  ".content-type": "Content type",
  ".examples-select-element": "Example",
  "#servers": "Server",
  ".parameters input, .parameters select": "Value of the parameter",
};

function name(box) {
  for (const [selector, label] of Object.entries(NAMES)) {
    for (const each of box.querySelectorAll(`:is(${selector}):not([aria-label])`)) each.ariaLabel = label;
  }
  for (const each of box.querySelectorAll("pre:not([tabindex])")) each.tabIndex = 0; // it scrolls, so the keys must reach it
}

/** Name them now, and whenever more are shown. */
export function nameFields(box) {
  new MutationObserver(() => name(box)).observe(box, { childList: true, subtree: true });
}
