/** Writes HTML and SVG elements with escaped text. */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes text for elements and quoted attributes. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** Attribute values by name. They need no escaping. */
type Attributes = Readonly<Record<string, string | number>>;

/** Writes one element. `content` is markup, so its text must be escaped. */
export function element(name: string, attributes: Attributes, content?: string): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => {
      const text = typeof value === "number" ? coordinate(value) : escapeMarkup(value);
      return ` ${key}="${text}"`;
    })
    .join("");
  return content === undefined ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** Rounds a coordinate to two decimals, which are sufficient for pictures. */
export function coordinate(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** Writes an SVG element that scales to its container. `content` is markup. */
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
