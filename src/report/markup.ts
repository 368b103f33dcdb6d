/** Writes HTML and SVG elements with escaped text. */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes text for use in elements and in quoted attributes. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/**
 * Escapes text, and lets words of more than 16 characters break: after `_`, `\`, `.` and `/`, and after 20 characters
 * without these. Numbers do not break at a point.
 */
export function escapeBreakable(text: string): string {
  return text
    .split(/(\S{17,})/u)
    .map((part, i) => (i % 2 === 0 ? escapeMarkup(part) : breakable(part)))
    .join("");
}

function breakable(word: string): string {
  return word
    .split(/(?<=[_\\]|[./](?=\p{L}))/u)
    .flatMap((part) => part.split(/(\S{20})(?=\S)/u))
    .filter((part) => part !== "")
    .map(escapeMarkup)
    .join("<wbr>");
}

/** Unescaped attribute values by attribute name. */
type Attributes = Readonly<Record<string, string | number>>;

/** Formats an element, and escapes its attribute values. `content` is markup, in which text is already escaped. */
export function element(name: string, attributes: Attributes, content?: string): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => {
      const text = typeof value === "number" ? coordinate(value) : escapeMarkup(value);
      return ` ${key}="${text}"`;
    })
    .join("");
  return content === undefined ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** Formats a coordinate with at most two decimals, which are sufficient for plots. */
export function coordinate(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** Formats an SVG element that scales to the width of its container. `title` is text, and `content` is markup. */
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
