/** Options of INC's example script that are refused, or have another name here. */
import { flagOption, type Option, refusedOption } from "./options.ts";

const NO_UPLOAD = "nothing is uploaded: the model directories in --out can be uploaded as they are";

export const SCRIPT_OPTIONS: {
  readonly useSlowTokenizer: Option<boolean>;
  readonly pushToHub: Option<never>;
  readonly hubModelId: Option<never>;
  readonly hubToken: Option<never>;
} = {
  useSlowTokenizer: flagOption("the same as --tokenizer slow"),
  pushToHub: refusedOption(NO_UPLOAD),
  hubModelId: refusedOption(NO_UPLOAD),
  hubToken: refusedOption(NO_UPLOAD),
};
