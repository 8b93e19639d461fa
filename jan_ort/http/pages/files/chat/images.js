// Images for the next message: picked, pasted or dropped, and held as data: URLs.

import { $, button, element } from "../shared/dom.js";

const KINDS = /^image\/(png|jpeg|webp|gif)$/;

let waiting = [];
let isAllowed = false;

export const takeImages = () => {
  const taken = waiting;
  setImages([]);
  return taken;
};

export function setImages(images) {
  waiting = images;
  $("images").replaceChildren(...waiting.map(thumbnail));
}

/** Let images be added, where the model reads them. */
export function allowImages(isPossible) {
  isAllowed = isPossible;
  $("attach").hidden = !isPossible;
  if (!isPossible) setImages([]);
}

function thumbnail(url, at) {
  const remove = button("×", () => setImages(waiting.filter((_, other) => other !== at)), { ariaLabel: `Remove image ${at + 1}` });
  return element("figure", {}, element("img", { src: url, alt: `Image ${at + 1}` }), remove);
}

async function addFiles(files) {
  if (!isAllowed) return;
  const urls = await Promise.all([...files].filter((file) => KINDS.test(file.type)).map(readUrl));
  setImages([...waiting, ...urls]);
}

const readUrl = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

export function bindImages() {
  $("attach").onclick = () => $("files").click();
  $("files").onchange = async () => {
    await addFiles($("files").files);
    $("files").value = "";
  };
  $("question").onpaste = (event) => addFiles(event.clipboardData.files);
  document.ondragover = (event) => event.preventDefault(); // else the browser would open what is dropped
  document.ondrop = (event) => {
    event.preventDefault();
    addFiles(event.dataTransfer.files);
  };
}
