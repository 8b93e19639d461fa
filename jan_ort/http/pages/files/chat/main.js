// The chat page: a conversation, what is written to it, and the answers.

import { $, announce, bindToggle, button, keepingFocus } from "../shared/dom.js";
import { newAnswer, receive } from "./answer.js";
import { makeForm, showSettings } from "./fields.js";
import { bindImages, setImages, takeImages } from "./images.js";
import { keepingEnd, paced } from "./live.js";
import { messageElement } from "./message.js";
import { chooseModel, loadModels } from "./models.js";
import { requestOf } from "./request.js";
import { showList } from "./sidebar.js";
import { allConversations, keep, newId } from "./store.js";

const LAST_SETTINGS = "jan-ort-settings";
const RETRY_MS = 2000;

let conversation = newConversation();
let running = null; // what stops the answer that comes, and which message it is

function newConversation() {
  return { id: newId(), title: "New conversation", changed: 0, settings: lastSettings(), messages: [] };
}

function lastSettings() {
  try {
    return { ...JSON.parse(localStorage.getItem(LAST_SETTINGS)) };
  } catch {
    return {}; // it is not kept, or not ours
  }
}

const lastModel = () => conversation.messages.findLast((each) => each.model)?.model;

/** Return what the browser keeps or has kept; say so where it keeps nothing, as some do in private windows. */
async function kept(result) {
  try {
    return await result;
  } catch (error) {
    $("problem").textContent = `This browser keeps no conversations: ${error.message}`;
    return null;
  }
}

async function open(chosen) {
  running?.stop();
  conversation = chosen ?? newConversation();
  chooseModel(lastModel());
  showSettings(conversation.settings);
  showMessages();
  showConversations(false);
  await kept(showList(conversation, open));
  $("question").focus();
}

function showMessages() {
  const { messages } = conversation;
  keepingFocus($("messages"), () => $("messages").replaceChildren(...messages.map(shownMessage)));
  $("welcome").hidden = messages.length > 0;
  $("messages").scrollTop = $("messages").scrollHeight;
}

const shownMessage = (message) =>
  messageElement(message, acts, { isLast: message === conversation.messages.at(-1), isRunning: message === running?.message });

/** Show the last message again, which has changed. */
function showLast() {
  const shown = shownMessage(conversation.messages.at(-1));
  const replace = () => $("messages").lastElementChild.replaceWith(shown);
  keepingEnd($("messages"), () => keepingFocus($("messages"), replace));
}

function send(event) {
  event?.preventDefault();
  const text = $("question").value;
  if (running || !text.trim()) return;
  if (conversation.messages.length === 0) conversation.title = text.trim().split("\n")[0].slice(0, 60);
  conversation.messages.push({ role: "user", content: text, images: takeImages() });
  $("question").value = "";
  answer();
}

/** Have the conversation answered, and keep it, however that ends. */
async function answer() {
  const asked = conversation;
  const message = newAnswer($("model").value);
  const stopper = new AbortController();
  running = { stop: () => stopper.abort(), message };
  asked.messages.push(message);
  showMessages();
  showRunning(true);
  announce("The model is answering."); // else the end of a second answer would be the same words again, and not said
  const shown = paced(() => asked === conversation && showLast());
  try {
    await receive(message, requestOf({ ...asked, messages: asked.messages.slice(0, -1) }, $("model").value), stopper.signal, shown.soon);
    announce("The answer is complete.");
  } catch (error) {
    if (error.name !== "AbortError") message.error = error.message;
    announce(error.name === "AbortError" ? "Stopped." : "The answer failed.");
  }
  running = null;
  showRunning(false);
  shown.now();
  await kept(keep(asked));
  await kept(showList(conversation, open));
}

function showRunning(isRunning) {
  const had = document.activeElement;
  $("send").hidden = isRunning;
  $("stop").hidden = !isRunning;
  if (had === $("send")) $("question").focus(); // what is hidden has no focus
  if (had === $("stop")) $("send").focus();
  $("messages").ariaBusy = String(isRunning);
}

const acts = {
  regenerate(message) {
    if (running) return;
    conversation.messages.splice(conversation.messages.indexOf(message));
    answer();
  },
  edit(message) {
    if (running) return;
    conversation.messages.splice(conversation.messages.indexOf(message)); // what followed it answers other words
    showMessages();
    setImages(message.images ?? []);
    $("question").value = message.content;
    $("question").focus();
  },
  shade(message) {
    message.isShaded = !message.isShaded;
    showMessages();
  },
  answerCalls(results) {
    if (running) return;
    conversation.messages.push(...results);
    answer();
  },
};

async function changeSetting(name, value) {
  conversation.settings = { ...conversation.settings, [name]: value };
  await kept((async () => localStorage.setItem(LAST_SETTINGS, JSON.stringify(conversation.settings)))());
  if (conversation.messages.length) await kept(keep(conversation));
}

/** Say whether a key is the input method's, which Safari says of the last one by its code alone. */
const isComposing = (event) => event.isComposing || event.keyCode === 229;

function bindKeys() {
  $("question").onkeydown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !isComposing(event)) send(event);
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !isComposing(event)) running?.stop();
  });
}

const showConversations = bindToggle($("show-conversations"), $("sidebar"));
bindToggle($("show-settings"), $("settings"));
makeForm($("fields"), changeSetting);
bindImages();
bindKeys();
$("composer").onsubmit = send;
$("stop").onclick = () => running?.stop();
$("new").onclick = () => open(null);

/** Learn which models there are; while the server is loading them, again and again. */
async function askForModels() {
  try {
    await loadModels();
    $("problem").replaceChildren();
    chooseModel(lastModel());
  } catch (error) {
    $("problem").replaceChildren(error.message, button("Try again", askForModels));
    if (error.status === 503) setTimeout(askForModels, RETRY_MS);
  }
}

async function start() {
  const [last] = (await kept(allConversations())) ?? [];
  if (conversation.messages.length === 0) await open(last ?? null); // else somebody was quicker
  await askForModels();
}

start();
