// The list of conversations, and what can be done to each.

import { $, button, element } from "../shared/dom.js";
import { save } from "./exporting.js";
import { allConversations, forget } from "./store.js";

/** Show the list; `open` is called with the conversation that is chosen, and with null once the shown one is deleted. */
export async function showList(shown, open) {
  const all = await allConversations();
  $("conversations").replaceChildren(...all.map((each) => entry(each, shown, open)));
}

function entry(conversation, shown, open) {
  const isShown = conversation.id === shown.id;
  const choose = button(conversation.title, () => open(conversation), { className: "choose" });
  if (isShown) choose.ariaCurrent = "true";
  const remove = async () => {
    if (!confirm(`Delete “${conversation.title}”?`)) return;
    await forget(conversation.id);
    await (isShown ? open(null) : showList(shown, open));
  };
  const more = element(
    "div",
    { className: "acts" },
    button("JSON", () => save(conversation, "json"), { ariaLabel: `Save “${conversation.title}” as JSON` }),
    button("Markdown", () => save(conversation, "md"), { ariaLabel: `Save “${conversation.title}” as Markdown` }),
    button("Delete", remove, { ariaLabel: `Delete “${conversation.title}”` }),
  );
  return element("li", {}, choose, isShown ? more : null);
}
