// Conversations, kept in this browser alone: in IndexedDB, for images are too large for localStorage.

const STORE = "conversations";

let opening = null;

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("jan-ort", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  }).catch((error) => {
    opening = null; // the next time it may open
    throw error;
  });
  return opening;
}

/** Have `act` ask the store for something, and return that once it is on the disk. */
async function run(mode, act) {
  const transaction = (await database()).transaction(STORE, mode);
  return new Promise((resolve, reject) => {
    let result;
    act(transaction.objectStore(STORE), (found) => (result = found));
    transaction.oncomplete = () => resolve(result);
    transaction.onabort = () => reject(transaction.error ?? new Error("it undid the change")); // as without room
  });
}

/** Return all of them, the one that changed last first. */
export async function allConversations() {
  const all = await run("readonly", (store, found) => {
    store.getAll().onsuccess = (event) => found(event.target.result);
  });
  return all.sort((one, other) => other.changed - one.changed);
}

export const newId = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

/** Keep a conversation. One that another tab has gone on with stays as that has it, and this one is kept beside it. */
export function keep(conversation) {
  return run("readwrite", (store) => {
    store.get(conversation.id).onsuccess = (event) => {
      const other = event.target.result;
      if (other && other.changed !== conversation.changed) conversation.id = newId();
      conversation.changed = Date.now();
      store.put(conversation);
    };
  });
}

export const forget = (id) => run("readwrite", (store) => store.delete(id));
