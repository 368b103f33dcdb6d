/** The post-processors of tokenizer.json: special tokens and token types. */

/** A piece of a template: one of the texts, or special tokens. */
export type TemplatePiece =
  | { readonly kind: "text"; readonly index: 0 | 1; readonly type: number }
  | { readonly kind: "special"; readonly ids: readonly number[]; readonly type: number };

/** The templates for a text and a pair. */
export interface Templates {
  readonly single: readonly TemplatePiece[];
  readonly pair: readonly TemplatePiece[];
}

export interface Ids {
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
}

/** Without special tokens: texts one after another. */
export const PLAIN_TEMPLATES: Templates = {
  single: [{ kind: "text", index: 0, type: 0 }],
  pair: [
    { kind: "text", index: 0, type: 0 },
    { kind: "text", index: 1, type: 1 },
  ],
};

/** Returns the number of special tokens of a template. */
export function specialTokens(template: readonly TemplatePiece[]): number {
  return template.reduce(
    (sum, piece) => sum + (piece.kind === "special" ? piece.ids.length : 0),
    0,
  );
}

/** Fills a template with the ids of the texts. */
export function fillTemplate(
  template: readonly TemplatePiece[],
  texts: readonly (readonly number[])[],
  addSpecialTokens: boolean,
): Ids {
  const inputIds: number[] = [];
  const tokenTypeIds: number[] = [];
  for (const piece of template) {
    if (piece.kind === "special" && !addSpecialTokens) continue;
    const ids = piece.kind === "special" ? piece.ids : (texts[piece.index] ?? []);
    for (const id of ids) {
      inputIds.push(id);
      tokenTypeIds.push(piece.type);
    }
  }
  return { inputIds, tokenTypeIds };
}
