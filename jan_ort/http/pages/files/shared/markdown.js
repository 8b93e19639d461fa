// A model's text as a page may show it. It is hostile: somebody else's words may have told the model what to write.
// Three walls: markdown-it takes no HTML, DOMPurify lets a few tags pass, and the page's CSP runs and fetches nothing.

import { button, element } from "./dom.js";

const MAX_CHARACTERS = 100_000; // beyond that it is shown as it is: a page must stay usable

const PURIFIED = {
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "class", "start"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  RETURN_DOM_FRAGMENT: true,
};

const parser = globalThis.markdownit({ html: false, linkify: false, breaks: true });
// An image would tell its server that this was read; its address is enough.
parser.renderer.rules.image = (tokens, at) => {
  const escaped = parser.utils.escapeHtml(tokens[at].attrGet("src") ?? "");
  return `<a href="${escaped}">image: ${parser.utils.escapeHtml(tokens[at].content || "no description")}</a>`;
};

/** Return a fragment that shows the text. */
export function rendered(text) {
  if (text.length > MAX_CHARACTERS) return plain(text);
  const fragment = globalThis.DOMPurify.sanitize(parser.render(text), PURIFIED);
  fragment.querySelectorAll("a").forEach((link) => Object.assign(link, { target: "_blank", rel: "noopener noreferrer nofollow" }));
  fragment.querySelectorAll("pre").forEach(addCopy);
  fragment.querySelectorAll("table").forEach((table) => {
    const box = element("div", { className: "table", tabIndex: 0, role: "region", ariaLabel: "Table" });
    table.replaceWith(box);
    box.append(table);
  });
  return fragment;
}

function plain(text) {
  const fragment = document.createDocumentFragment();
  fragment.append(element("div", { className: "plain", textContent: text }));
  return fragment;
}

function addCopy(block) {
  const code = block.textContent;
  const language = /language-(\S+)/.exec(block.firstElementChild?.className ?? "")?.[1] ?? "";
  const bar = element("div", { className: "code-bar" }, element("span", { textContent: language }), copyButton("Copy code", () => code));
  const box = element("div", { className: "code" }, bar);
  block.replaceWith(box);
  Object.assign(block, { tabIndex: 0, role: "region", ariaLabel: language ? `Code in ${language}` : "Code" });
  box.append(block);
}

export function copyButton(label, read) {
  const made = button(label, async () => {
    const isCopied = await navigator.clipboard.writeText(read()).then(() => true, () => false);
    made.textContent = isCopied ? "Copied" : "Not allowed";
    setTimeout(() => (made.textContent = label), 1500);
  });
  return made;
}
