/** Says on how many threads this visit computes, and whether the next one needs a connection. */
import { useEffect, useState } from "preact/hooks";
import { keepForOffline } from "./offline.ts";
import { threadCount } from "./worker/thread-count.ts";

export function VisitNote() {
  const [isStored, setStored] = useState(false);
  useEffect(() => keepForOffline(() => setStored(true)), []);
  const threads = threadCount();
  const computing =
    threads > 1
      ? `Training computes on ${threads} threads.`
      : crossOriginIsolated
        ? "This computer has one core, so one thread computes."
        : isStored
          ? "This visit computes on one thread. Reload the page to train on all cores."
          : "This visit computes on one thread.";
  return <p class="visit">{`${computing} ${isStored ? "The page works offline." : ""}`}</p>;
}
