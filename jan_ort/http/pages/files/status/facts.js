// Lists and tables of what is known.

import { element } from "../shared/dom.js";

/** Return names and values for a `dl`; a value may be an element, and null is left out. */
export const facts = (known) =>
  Object.entries(known)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => element("div", {}, element("dt", { textContent: name }), element("dd", {}, value instanceof Node ? value : String(value))));

export function table(caption, heads, rows) {
  const head = element("tr", {}, ...heads.map((each) => element("th", { scope: "col", textContent: each })));
  const body = rows.map((row) => element("tr", {}, ...row.map((each) => element("td", {}, each instanceof Node ? each : String(each)))));
  const made = element("table", {}, element("caption", { textContent: caption }), element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", { className: "table", tabIndex: 0, role: "region", ariaLabel: caption }, made);
}

export function errorTable(errors) {
  if (!errors.length) return element("p", { className: "hint", textContent: "None since the start." });
  const rows = errors.map(({ time, method, path, status, code }) => [new Date(1000 * time).toLocaleTimeString(), `${method} ${path}`, status, code ?? ""]);
  return table("Requests that were refused or failed", ["When", "Request", "Status", "Code"], rows);
}
