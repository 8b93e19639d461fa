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

const ACTS = ".acts button"; // apart from the rest, of which there may be more or less afterwards
const PLACES = ":is(summary, button, [tabindex]):not(.acts button)";

const found = (child, places) => (child ? [child, ...child.querySelectorAll("*")].filter((each) => each.matches(places)) : []);
const scrolling = (box) => [...box.querySelectorAll("[tabindex]")];

/** Do what makes children of the box anew. What has the place of the focused element gets the focus, else the box. */
export function keepingFocus(box, change) {
  const had = document.activeElement;
  const at = [...box.children].findIndex((each) => each.contains(had));
  const places = had?.matches(ACTS) ? ACTS : PLACES;
  const place = found(box.children[at], places).indexOf(had);
  const scrolled = scrolling(box).map((each) => each.scrollLeft);
  change();
  scrolling(box).forEach((each, number) => (each.scrollLeft = scrolled[number] ?? 0));
  if (at < 0 || had.isConnected) return;
  (found(box.children[at], places)[place] ?? box).focus({ preventScroll: true });
}
