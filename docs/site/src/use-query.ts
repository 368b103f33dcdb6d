/** Keeps an option of a view in the page's address, so that a link or a reload shows the same. */
import { useCallback, useState } from "preact/hooks";

function replaceQuery(name: string, value: string, fallback: string): void {
  const url = new URL(location.href);
  if (value === fallback) url.searchParams.delete(name);
  else url.searchParams.set(name, value);
  history.replaceState(null, "", url);
}

/** A text in the address. The fallback is not written. */
export function useQuery(
  name: string,
  fallback: string,
): readonly [string, (value: string) => void] {
  const [value, setValue] = useState(
    () => new URLSearchParams(location.search).get(name) ?? fallback,
  );
  const change = useCallback(
    (next: string) => {
      setValue(next);
      replaceQuery(name, next, fallback);
    },
    [name, fallback],
  );
  return [value, change];
}

/** A flag in the address, `1` or `0`. */
export function useQueryFlag(
  name: string,
  fallback: boolean,
): readonly [boolean, (value: boolean) => void] {
  const [value, change] = useQuery(name, fallback ? "1" : "0");
  return [value === "1", useCallback((next: boolean) => change(next ? "1" : "0"), [change])];
}
