import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

const text = readFileSync(join(PROJECT_ROOT, "docs", "semantics.md"), "utf8");
const slugs = readdirSync(join(PROJECT_ROOT, "test", "golden", "pruning"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** A section of the second level: its heading and everything up to the next. */
interface Section {
  readonly title: string;
  readonly body: string;
}

const sections: readonly Section[] = text
  .split(/^## /m)
  .slice(1)
  .map((part) => {
    const end = part.indexOf("\n");
    return { title: part.slice(0, end), body: part.slice(end) };
  });

/** Names in the paragraphs that begin with `Vectors:`. */
function vectorsOf({ body }: Section): string[] {
  return [...body.matchAll(/^Vectors: ([\s\S]*?)(?:\n\n|$(?![\s\S]))/gm)].flatMap(([, list]) =>
    [...(list ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name as string),
  );
}

/** The anchor of a heading, as code hosts make it. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}

describe("docs/semantics.md", () => {
  it("names only vectors that exist", () => {
    const unknown = sections.flatMap((section) =>
      vectorsOf(section)
        .filter((name) => !slugs.includes(name))
        .map((name) => `${section.title}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it("names every vector", () => {
    const named = new Set(sections.flatMap(vectorsOf));
    expect(slugs.length).toBeGreaterThan(0);
    expect(slugs.filter((slug) => !named.has(slug))).toEqual([]);
  });

  it("names no vector twice in a section", () => {
    for (const section of sections) {
      const names = vectorsOf(section);
      expect(names, section.title).toEqual([...new Set(names)]);
    }
  });

  it("links every stage of src/prune, and no file that is not there", () => {
    const stages = readdirSync(join(PROJECT_ROOT, "src", "prune")).filter((name) =>
      name.endsWith(".ts"),
    );
    const linked = [...text.matchAll(/\]\(\.\.\/src\/prune\/([^)]+)\)/g)].map(([, name]) => name);
    expect(stages.filter((stage) => !linked.includes(stage))).toEqual([]);
    expect(linked.filter((name) => name === undefined || !stages.includes(name))).toEqual([]);
  });

  it("lists its sections in its table of contents, in order, and links none that is not there", () => {
    const [head = ""] = text.split(/^## /m);
    const listed = [...head.matchAll(/^- \[([^\]]+)\]\(#([^)]+)\)/gm)].map(([, title, anchor]) => [
      title,
      anchor,
    ]);
    expect(listed).toEqual(sections.map(({ title }) => [title, anchorOf(title)]));
    const anchors = sections.map(({ title }) => anchorOf(title));
    const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor as string);
    expect(links.filter((anchor) => !anchors.includes(anchor))).toEqual([]);
  });

  it("says of every behaviour what INC calls it", () => {
    const withVectors = sections.filter((section) => vectorsOf(section).length > 0);
    const silent = withVectors.filter(({ body }) => !/^INC:|\bINC: |\bINC:\n/m.test(body));
    expect(silent.map(({ title }) => title)).toEqual([]);
  });
});
