/** Takes files by dropping or choosing them. */
import { useEffect, useRef, useState } from "preact/hooks";
import { chosenFiles, droppedFiles } from "./given-files.ts";
import type { GivenFile } from "./worker/protocol.ts";

interface FileChooserProps {
  readonly takes: "checkpoint" | "rows" | "masks";
  readonly onFiles: (files: readonly GivenFile[]) => void;
  /** Null: there is no example for the view. */
  readonly onExample: (() => void) | null;
}

/** Takes files that are dropped anywhere on the page. */
function useDrop(onFiles: FileChooserProps["onFiles"]): boolean {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const over = (event: DragEvent): void => {
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = async (event: DragEvent): Promise<void> => {
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer === null) return;
      const files = await droppedFiles(event.dataTransfer);
      if (files.length > 0) onFiles(files);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, [onFiles]);
  return isOver;
}

interface ChooseButtonProps {
  readonly label: string;
  readonly isFolder: boolean;
  readonly onFiles: FileChooserProps["onFiles"];
}

function ChooseButton({ label, isFolder, onFiles }: ChooseButtonProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (input.current !== null) input.current.webkitdirectory = isFolder;
  }, [isFolder]);
  return (
    <>
      <button type="button" onClick={() => input.current?.click()}>
        {label}
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={label}
        onChange={({ currentTarget }) => {
          const files = chosenFiles(currentTarget.files);
          // The same files may be chosen again.
          currentTarget.value = "";
          if (files.length > 0) onFiles(files);
        }}
      />
    </>
  );
}

const TEXTS = {
  checkpoint:
    "Drop a safetensors file here, all files of a sharded checkpoint, or the folder of a Hugging Face model.",
  rows: "Drop rows with texts and labels here, as CSV, TSV, JSON or JSON Lines, and the folder of a Hugging Face model to start from.",
  masks:
    "Drop your masks or scores here, as a safetensors file, or the folder of a golden vector to judge them by.",
} as const;

export function FileChooser({ takes, onFiles, onExample }: FileChooserProps) {
  const isOver = useDrop(onFiles);
  return (
    <section class={isOver ? "drop over" : "drop"} aria-label="Files">
      <p>{`${TEXTS[takes]} The files stay on this computer.`}</p>
      <div class="buttons">
        <ChooseButton label="Choose files" isFolder={false} onFiles={onFiles} />
        <ChooseButton label="Choose a folder" isFolder onFiles={onFiles} />
        {onExample !== null && (
          <button type="button" onClick={onExample}>
            Use an example
          </button>
        )}
      </div>
    </section>
  );
}
