/** Writing HTML and SVG: escaping, elements, and coordinates. */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text made safe inside elements and quoted attributes. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** Attribute values are escaped here; undefined ones are left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** One element. `content` is markup already: escape text before passing it. */
export function element(name: string, attributes: Attributes, content?: string): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}="${escapeMarkup(typeof value === "number" ? coordinate(value) : String(value))}"`,
    )
    .join("");
  return content === undefined ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** A coordinate with at most two decimals: pictures need no more, and files stay small. */
export function coordinate(value: number): string {
  return String(Number(value.toFixed(2)));
}
