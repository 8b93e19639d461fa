// The API's document by Swagger UI, which also sends requests: to this server, with the key of this tab.

import { key } from "../shared/key.js";
import { nameFields } from "./names.js";

const SCHEME = "HTTPBearer"; // as the document calls it
const box = document.getElementById("document");

/** Return the document with this server as the one to ask, whatever prefix a proxy serves it below. */
async function load() {
  const spec = await (await fetch("openapi.json")).json();
  return { ...spec, servers: [{ url: new URL(".", location.href).pathname.replace(/\/$/, "") || "/" }] };
}

function show(spec) {
  const shown = globalThis.SwaggerUIBundle({
    domNode: box,
    spec,
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    validatorUrl: null, // which would be another server
    onComplete: () => key() && shown.preauthorizeApiKey(SCHEME, key()),
  });
}

/** Follow the browser from light to dark and back, which Swagger UI has a class for. */
function followScheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.onchange = follow;
  follow();
}

followScheme();
nameFields(box);
show(await load());
