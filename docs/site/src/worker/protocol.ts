/** What the page asks of the worker, and what the worker answers. All of it is plain data. */
import type {
  OwnRows,
  SavedTraining,
  TrainingEnd,
  TrainingNews,
  TrainRequest,
} from "./training-protocol.ts";

/** A file that the visitor gave, with its path below what was given. */
export interface GivenFile {
  readonly path: string;
  readonly content: Blob;
}

/** A tensor before its values are read. */
export interface ListedTensor {
  readonly name: string;
  readonly role: string;
  readonly axes: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** The tensor's layers, by name. A tensor of experts has one for each expert. */
  readonly layers: readonly string[];
}

export interface OpenedCheckpoint {
  readonly path: string;
  readonly layout: string;
  readonly files: number;
  readonly bytes: number;
  readonly tensors: readonly ListedTensor[];
  /** Whether its config.json was given, which may decide the order of layers. */
  readonly hasConfig: boolean;
}

/** What the values of a tensor show. */
export interface InspectedTensor {
  readonly name: string;
  readonly zeros: number;
  readonly elements: number;
  readonly nonFinite: number;
  readonly patterns: readonly { readonly pattern: string; readonly share: number }[];
  readonly packedLayout: string;
  readonly packedBytes: number;
  /** Whether the tensor is the weight of layers, for which zeros and patterns are counted. */
  readonly isWeight: boolean;
}

export interface VerifyRequest {
  readonly pattern: string;
  readonly exact: boolean;
  readonly minSparsity: number;
  readonly tolerance: number;
  readonly excludeHead: boolean;
}

export interface VerifiedLayer {
  readonly name: string;
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly sparseBlocks: number;
  readonly partialBlocks: number;
  readonly blocks: number;
  readonly zeros: number;
  readonly elements: number;
}

/** A block that breaks a pattern, as a region of the layer's matrix. */
export interface Violation {
  readonly tensor: string;
  readonly layer: string;
  readonly row: number;
  readonly column: number;
  readonly height: number;
  readonly width: number;
}

export interface Verdict {
  readonly passed: boolean;
  readonly pattern: string;
  readonly isGroups: boolean;
  readonly sparsity: number;
  readonly faults: readonly string[];
  readonly account: readonly string[];
  readonly layers: readonly VerifiedLayer[];
  readonly violation: Violation | null;
}

/** The options of the command `prune` that the page offers. */
export interface PruneRequest {
  readonly pattern: string;
  readonly sparsity: number;
  readonly scope: "global" | "local";
  readonly criterion: string;
  readonly minSparsityPerLayer: number;
  /** Null: as much as the pattern allows. */
  readonly maxSparsityPerLayer: number | null;
  readonly profile: "strict" | "inc";
  readonly excludeHead: boolean;
  /** A file with the gradients of the tensors. */
  readonly gradients: GivenFile | null;
}

export interface PrunedLayer {
  readonly name: string;
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly zeros: number;
  readonly elements: number;
  readonly bytes: number;
  readonly packedBytes: number;
}

export interface PruneReport {
  readonly layers: readonly PrunedLayer[];
  readonly pattern: string;
  readonly prunedBlocks: number;
  readonly blocks: number;
  readonly bytes: number;
  readonly packedBytes: number;
  readonly account: readonly string[];
}

/** The checkpoint that was opened, the one that was made of it by pruning, or the weights of the model that is trained. */
export type Source = "given" | "pruned" | "trained";

/** How a tensor's values are distributed. */
export interface Distribution {
  readonly layer: string;
  readonly rows: number;
  readonly columns: number;
  readonly least: number;
  readonly greatest: number;
  readonly zeros: number;
  readonly nonFinite: number;
  /** Counts of the finite values other than zero, in bins of equal width from `least` to `greatest`. */
  readonly bins: readonly number[];
}

/** A part of a layer's matrix, to draw in `width` times `height` pixels. */
export interface PictureRequest {
  readonly source: Source;
  readonly tensor: string;
  readonly layer: string;
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  readonly width: number;
  readonly height: number;
}

/** For each pixel, row by row, the share of values below it that are not zero, from 0 to 255. */
export type Picture = Uint8Array;

/** The kernel variants that the page offers. `fma` is faster; `simd` has the bits of every engine. */
export type Variant = "simd" | "fma";

export interface LoadedClassifier {
  readonly labels: readonly string[];
  readonly variant: string;
  readonly notices: readonly string[];
}

/** A text, or a pair of texts. */
export interface GivenText {
  readonly text: string;
  readonly textPair?: string;
}

export interface ClassifiedText extends GivenText {
  /** The predicted labels, or the values of regression. */
  readonly answer: string;
  /** The probability of each label, in the order of the labels. Empty for regression. */
  readonly probabilities: readonly number[];
}

export interface Classified {
  readonly rows: readonly ClassifiedText[];
  readonly milliseconds: number;
}

/** A model beside the same weights in dense form: milliseconds for the same texts, and bytes. */
export interface DenseComparison {
  readonly own: number;
  readonly dense: number;
  readonly ownBytes: number;
  /** The weights as 32-bit numbers. */
  readonly denseBytes: number;
}

/** A tensor of a golden vector beside the visitor's. */
export interface ComparedTensor {
  readonly name: string;
  readonly elements: number;
  /** The index of the first different value; null if there is none. */
  readonly index: number | null;
  readonly recorded: string;
  readonly own: string;
}

/** The judge's verdict on masks and scores. */
export interface Comparison {
  readonly family: "pruning" | "strict";
  readonly status: "passed" | "acceptable" | "failed";
  /** The first difference, or why a different result is acceptable. */
  readonly note: string;
  readonly tensors: readonly ComparedTensor[];
  /** The masks and scores of the vector that the file does not have. */
  readonly missing: readonly string[];
}

/** Each task by its name: what it takes and what it returns. */
export interface Tasks {
  readonly open: { readonly takes: readonly GivenFile[]; readonly returns: OpenedCheckpoint };
  readonly example: { readonly takes: null; readonly returns: readonly GivenFile[] };
  readonly inspect: { readonly takes: null; readonly returns: readonly InspectedTensor[] };
  readonly verify: { readonly takes: VerifyRequest; readonly returns: Verdict };
  readonly distribution: {
    readonly takes: { readonly source: Source; readonly tensor: string; readonly layer: string };
    readonly returns: Distribution;
  };
  /** Prunes into a new checkpoint, which takes the place of the one before. */
  readonly prune: { readonly takes: PruneRequest; readonly returns: PruneReport };
  /** The files of the pruned checkpoint, as the command writes them, or packed. */
  readonly prunedFiles: {
    readonly takes: { readonly isPacked: boolean };
    readonly returns: readonly GivenFile[];
  };
  /** Loads the given files as a classifier. */
  readonly load: {
    readonly takes: { readonly files: readonly GivenFile[]; readonly variant: Variant };
    readonly returns: LoadedClassifier;
  };
  readonly classify: {
    readonly takes: readonly GivenText[];
    readonly returns: Classified;
  };
  readonly compareDense: {
    readonly takes: readonly GivenText[];
    readonly returns: DenseComparison;
  };
  readonly picture: { readonly takes: PictureRequest; readonly returns: Picture };
  /** Judges a file of masks and scores by the files of a golden vector. */
  readonly compare: {
    readonly takes: { readonly vector: readonly GivenFile[]; readonly file: GivenFile };
    readonly returns: Comparison;
  };
  /** The masks and scores that a golden vector has, as a file. */
  readonly recorded: {
    readonly takes: readonly GivenFile[];
    readonly returns: { readonly computed: GivenFile };
  };
  readonly train: { readonly takes: TrainRequest; readonly returns: TrainingEnd };
  readonly resumeTraining: { readonly takes: null; readonly returns: TrainingEnd };
  readonly pauseTraining: { readonly takes: null; readonly returns: null };
  readonly discardTraining: { readonly takes: null; readonly returns: null };
  /** The run that was paused, or that a reload ended; null if there is none. */
  readonly savedTraining: { readonly takes: null; readonly returns: SavedTraining | null };
  readonly trainingInputs: {
    readonly takes: OwnRows | null;
    readonly returns: readonly GivenFile[];
  };
  readonly trainedFiles: {
    readonly takes: { readonly name: string; readonly isPacked: boolean };
    readonly returns: readonly GivenFile[];
  };
}

export type TaskName = keyof Tasks;

/** Progress in steps of any unit. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

export type ToWorker =
  | { readonly kind: "task"; readonly id: number; readonly name: TaskName; readonly input: unknown }
  | { readonly kind: "cancel"; readonly id: number };

export type FromWorker =
  | { readonly kind: "progress"; readonly id: number; readonly progress: Progress }
  | { readonly kind: "news"; readonly id: number; readonly news: TrainingNews }
  | { readonly kind: "done"; readonly id: number; readonly output: unknown }
  /** The problems in words, one for each. */
  | { readonly kind: "failed"; readonly id: number; readonly problems: readonly string[] };
