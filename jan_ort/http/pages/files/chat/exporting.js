// A conversation as a file.

import { element } from "../shared/dom.js";

const NAMES = { user: "You", assistant: "Model", tool: "Tool" };

const asMarkdown = ({ title, messages }) =>
  [`# ${title}`, ...messages.map((each) => `## ${NAMES[each.role]}\n\n${each.content}${callsOf(each)}`)].join("\n\n") + "\n";

const callsOf = ({ calls }) => (calls?.length ? `\n\n\`\`\`json\n${JSON.stringify(calls, null, 2)}\n\`\`\`` : "");

const KINDS = {
  json: { type: "application/json", write: (conversation) => JSON.stringify(conversation, null, 2) },
  md: { type: "text/markdown", write: asMarkdown },
};

/** Have the browser save the conversation, as `json` or `md`. */
export function save(conversation, kind) {
  const url = URL.createObjectURL(new Blob([KINDS[kind].write(conversation)], { type: KINDS[kind].type }));
  const name = conversation.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "conversation";
  element("a", { href: url, download: `${name}.${kind}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
