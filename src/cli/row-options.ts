/** The options of commands that read row files. Their values are `RowOptions`. */
import { flagOption, type Option, textOption, textsOption } from "./options.ts";

export const ROW_OPTIONS: {
  readonly textColumn: Option<string>;
  readonly textPairColumn: Option<string>;
  readonly labelColumn: Option<readonly string[]>;
  readonly labelSeparator: Option<string>;
  readonly skipBadRows: Option<boolean>;
} = {
  textColumn: textOption(
    "NAME",
    "column of the text (default sentence1 if there is a sentence2, or the first one that is not the label)",
  ),
  textPairColumn: textOption(
    "NAME",
    "column of the second text (default: none beside --text-column, else sentence2 or the next one)",
  ),
  labelColumn: textsOption(
    "NAME",
    "column of the label (default label), or several with commas, one for each label",
  ),
  labelSeparator: textOption("CHAR", "character between several labels in one field"),
  skipBadRows: flagOption("skip and count rows with problems"),
};
