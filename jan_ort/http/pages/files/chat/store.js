// Conversations, kept in this browser alone: in IndexedDB, for images are too large for localStorage.

const STORE = "conversations";

let opening = null;

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("jan-ort", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

async function run(mode, act) {
  const store = (await database()).transaction(STORE, mode).objectStore(STORE);
  return new Promise((resolve, reject) => {
    const request = act(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Return all of them, the one that changed last first. */
export async function allConversations() {
  const all = await run("readonly", (store) => store.getAll());
  return all.sort((one, other) => other.changed - one.changed);
}

export const keep = (conversation) => run("readwrite", (store) => store.put({ ...conversation, changed: Date.now() }));

export const forget = (id) => run("readwrite", (store) => store.delete(id));
