/** Loads the code of a view when it is shown. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

type Loaded<Props> =
  | { readonly kind: "loading" }
  | { readonly kind: "loaded"; readonly View: ComponentType<Props> }
  | { readonly kind: "failed" };

/** Returns a component that shows the view as soon as its code is loaded. */
export function lazyView<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): ComponentType<Props> {
  let known: ComponentType<Props> | null = null;
  return function LazyView(props: Props) {
    const [loaded, setLoaded] = useState<Loaded<Props>>(
      known === null ? { kind: "loading" } : { kind: "loaded", View: known },
    );
    const isLoading = loaded.kind === "loading";
    useEffect(() => {
      if (!isLoading) return;
      load().then(
        (View) => {
          known = View;
          setLoaded({ kind: "loaded", View });
        },
        () => setLoaded({ kind: "failed" }),
      );
    }, [isLoading]);
    if (loaded.kind === "loading") return <p class="frame">Loading ...</p>;
    if (loaded.kind === "loaded") return <loaded.View {...props} />;
    return (
      <p class="warning" role="alert">
        This view did not load. Check the connection, then reload the page.
      </p>
    );
  };
}
