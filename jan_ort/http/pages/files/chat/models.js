// The models that are served, and what the chosen one can be asked for.

import { ask } from "../shared/api.js";
import { $, element } from "../shared/dom.js";
import { showDefaults } from "./fields.js";
import { allowImages } from "./images.js";

let models = [];

/** Fill the list of models; those that only embed or rank are left out. */
export async function loadModels() {
  const { data } = await (await ask("v1/models")).json();
  models = data.filter((model) => model.metadata.tasks.includes("generate"));
  $("model").replaceChildren(...models.map(({ id }) => element("option", { value: id, textContent: id })));
  $("model").onchange = showAbilities;
  showAbilities();
}

/** Choose a model by name; one that is served no longer leaves the choice as it is. */
export function chooseModel(id) {
  if (models.some((model) => model.id === id)) $("model").value = id;
  showAbilities();
}

function showAbilities() {
  const metadata = models.find((model) => model.id === $("model").value)?.metadata;
  allowImages(metadata?.capabilities.includes("vision") ?? false);
  showDefaults(metadata?.defaults ?? {});
}
