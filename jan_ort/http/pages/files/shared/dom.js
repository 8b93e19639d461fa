// Making and finding elements. Text goes in as text, never as HTML: much of it is written by a model.

export const $ = (id) => document.getElementById(id);

/** Return a new element with these properties (`className`, `ariaLabel`, `onclick`, …) and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((each) => each !== null));
  return made;
}

export const button = (label, onclick, properties = {}) =>
  element("button", { type: "button", textContent: label, onclick, ...properties });

/** Say something to a screen reader, and to nobody else. */
export function announce(text) {
  $("announcer").textContent = text;
}

/** Show and hide a panel by a button, which says so. */
export function bindToggle(toggle, panel) {
  const show = (isShown) => {
    panel.classList.toggle("shown", isShown);
    toggle.ariaExpanded = String(isShown);
  };
  toggle.onclick = () => show(toggle.ariaExpanded !== "true");
  show(false);
  return show;
}
