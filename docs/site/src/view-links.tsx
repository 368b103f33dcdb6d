/** The views of the page, each with an address. */
import { useCallback, useEffect, useState } from "preact/hooks";

const VIEWS = {
  inspect: "Inspect and verify",
  prune: "Prune",
  train: "Train",
  run: "Run",
  compare: "Compare",
} as const;

export type View = keyof typeof VIEWS;

const NAMES = Object.keys(VIEWS) as readonly View[];

function viewInAddress(): View {
  const named = new URLSearchParams(location.search).get("view");
  return NAMES.find((name) => name === named) ?? "inspect";
}

function addressOf(view: View): string {
  const url = new URL(location.href);
  url.searchParams.set("view", view);
  return url.search;
}

/** The view in the address, which the browser's buttons change too. */
export function useView(): readonly [View, (view: View) => void] {
  const [view, setView] = useState(viewInAddress);
  useEffect(() => {
    const follow = (): void => setView(viewInAddress());
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);
  const change = useCallback((next: View) => {
    history.pushState(null, "", addressOf(next));
    setView(next);
  }, []);
  return [view, change];
}

interface ViewLinksProps {
  readonly view: View;
  readonly onView: (view: View) => void;
}

export function ViewLinks({ view, onView }: ViewLinksProps) {
  return (
    <nav aria-label="Site">
      <ul class="views">
        {NAMES.map((name) => (
          <li key={name}>
            <a
              href={addressOf(name)}
              aria-current={name === view ? "page" : undefined}
              onClick={(event) => {
                if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                event.preventDefault();
                onView(name);
              }}
            >
              {VIEWS[name]}
            </a>
          </li>
        ))}
        <li>
          <a href="./guide/index.html">Guide</a>
        </li>
        <li>
          <a href="./reference/index.html">API reference</a>
        </li>
      </ul>
    </nav>
  );
}
