// Shows a message while it grows, and leaves the page time for all else, however long it is.

/** Return a function that shows soon what `show` shows; it waits four times as long as showing it took. */
export function paced(show) {
  let timer = null;
  let wait = 0;
  const run = () => {
    const began = performance.now();
    timer = null;
    show();
    wait = 4 * (performance.now() - began);
  };
  return {
    soon: () => (timer ??= setTimeout(run, Math.max(wait, 30))),
    now: () => {
      clearTimeout(timer);
      run();
    },
  };
}

/** Do what makes the box longer, and stay at its end if that was in sight. */
export function keepingEnd(box, change) {
  const wasAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  change();
  if (wasAtEnd) box.scrollTop = box.scrollHeight;
}
