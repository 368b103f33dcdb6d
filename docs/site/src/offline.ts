/** Keeps the site for visits without a connection, when the page has nothing else to do. */

/** How long the first visit waits before it stores files, if the browser does not say when it is idle. */
const PAUSE = 3000;

function whenIdle(work: () => void): void {
  // Safari has no idle callback.
  if (typeof requestIdleCallback === "function") requestIdleCallback(work, { timeout: PAUSE });
  else setTimeout(work, PAUSE);
}

/** Stores the site, and calls `onStored` when the playground works offline. */
export function keepForOffline(onStored: () => void): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  whenIdle(() => {
    const script = new URL("./service-worker.js", document.baseURI);
    serviceWorker.register(script).then(
      async () => {
        const { active } = await serviceWorker.ready;
        onStored();
        whenIdle(() => active?.postMessage("store the rest"));
      },
      // Private windows of some browsers refuse it; the site then needs a connection.
      () => {},
    );
  });
}
