// Tokens, each shaded by how likely the model found it, with the others that it might have chosen.

import { element } from "../shared/dom.js";

const BOUNDS = [0.9, 0.6, 0.3, 0.1]; // a token of at least so much has the shade of its place, a less likely one the last

const percent = (logprob) => `${(100 * Math.exp(logprob)).toFixed(1)} %`;

const shade = (logprob) => {
  const place = BOUNDS.findIndex((bound) => Math.exp(logprob) >= bound);
  return place < 0 ? BOUNDS.length : place;
};

const describe = ({ token, logprob, top }) =>
  `${JSON.stringify(token)} ${percent(logprob)}; ${top.map(([other, value]) => `${JSON.stringify(other)} ${percent(value)}`).join(", ")}`;

/** Return the tokens as a box; the pointer or the arrow keys choose the one that the line below tells of. */
export function shaded(tokens) {
  const told = element("p", { className: "told", textContent: "Point at a token, or use the arrow keys, to see its alternatives." });
  told.setAttribute("aria-live", "polite");
  const spans = tokens.map((each) => element("span", { className: `shade-${shade(each.logprob)}`, textContent: each.token }));
  const box = element("div", { className: "shades", tabIndex: 0, role: "group", ariaLabel: "Tokens by probability" }, ...spans);
  let chosen = -1;
  const choose = (at) => {
    if (at < 0 || at >= spans.length) return;
    spans[chosen]?.classList.remove("chosen");
    spans[(chosen = at)].classList.add("chosen");
    told.textContent = describe(tokens[at]);
  };
  box.onpointerover = (event) => choose(spans.indexOf(event.target));
  box.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(chosen + step);
  };
  return element("div", {}, box, told);
}
