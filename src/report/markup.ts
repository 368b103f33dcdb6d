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

/** Attributes by name; values are escaped. */
type Attributes = Readonly<Record<string, string | number>>;

/** One element. `content` is markup already: escape text before passing it. */
export function element(name: string, attributes: Attributes, content?: string): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => {
      const text = typeof value === "number" ? coordinate(value) : escapeMarkup(value);
      return ` ${key}="${text}"`;
    })
    .join("");
  return content === undefined ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** A coordinate with at most two decimals, which are enough for pictures. */
export function coordinate(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** A picture as an SVG element that scales to its container; `content` is markup. */
export function svg(
  title: string,
  width: number,
  height: number,
  content: readonly string[],
): string {
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    class: "plot",
  };
  return element("svg", attributes, element("title", {}, escapeMarkup(title)) + content.join(""));
}
