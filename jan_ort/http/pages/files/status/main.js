// The status page: what runs where, shown anew with each event of /status.

import { ask, events } from "../shared/api.js";
import { $, button, element, keepingFocus } from "../shared/dom.js";
import { askForKey } from "../shared/key.js";
import { errorTable, facts } from "./facts.js";
import { modelSection } from "./models.js";
import { Rates } from "./rates.js";
import { bytes, duration } from "./units.js";

const RETRY_MS = 2000;
const MAX_LINES = 1000;

const rates = new Rates();

/** Watch until the page is left: a stream ends now and then, and when the server is started anew. */
async function watch() {
  for (;;) {
    try {
      $("log").replaceChildren(); // each stream begins with the lines that are kept
      for await (const { name, text } of events(await ask("status", { accept: "text/event-stream" }))) show[name](JSON.parse(text));
    } catch (error) {
      $("problem").textContent = `Not connected: ${error.message}`;
      if (error.status === 401) return $("problem").append(button("Give a key", watch));
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

const show = {
  status(state) {
    $("problem").replaceChildren();
    rates.note(state);
    $("server").replaceChildren(...facts({ Status: state.status, Version: state.version, "Up for": duration(state.time - state.since), Memory: bytes(state.process.memory_bytes), Threads: state.process.num_threads }));
    const models = state.models.map((model) => modelSection(model, rates.of(model.id)));
    keepingFocus($("models"), () => $("models").replaceChildren(...models));
    keepingFocus($("errors"), () => $("errors").replaceChildren(errorTable(state.errors)));
    showHint(state.log_needs);
  },
  log({ lines }) {
    const wasAtEnd = $("log").scrollHeight - $("log").scrollTop - $("log").clientHeight < 40;
    $("log").hidden = false;
    $("log").append(...lines.map((line) => element("div", { className: levelOf(line), textContent: line })));
    while ($("log").childElementCount > MAX_LINES) $("log").firstElementChild.remove();
    if (wasAtEnd) $("log").scrollTop = $("log").scrollHeight;
  },
};

const levelOf = (line) => /^\S+ \S+ (WARNING|ERROR|CRITICAL) /.exec(line)?.[1].toLowerCase() ?? "";

function showHint(needs) {
  if (!$("log").hidden) $("log-hint").replaceChildren();
  else if (needs === "admin_key_setting") $("log-hint").textContent = "Start the server with an admin key (JAN_ORT_ADMIN_KEY) to read its log here.";
  else if (!$("log-hint").childElementCount) $("log-hint").append("The log needs the admin key. ", button("Give the admin key", giveAdminKey));
}

async function giveAdminKey() {
  if (await askForKey("The admin key shows the log, too.")) location.reload();
}

watch();
