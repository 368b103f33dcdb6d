/** The files that a visitor drops or chooses, with their paths below what was given. */
import type { GivenFile } from "./worker/protocol.ts";

/** Removes the folder that all paths share. */
function withoutFolder(files: readonly GivenFile[]): readonly GivenFile[] {
  const folder = files[0]?.path.split("/").slice(0, -1).join("/") ?? "";
  const [top = ""] = folder.split("/");
  if (top === "" || !files.every(({ path }) => path.startsWith(`${top}/`))) return files;
  return withoutFolder(
    files.map(({ path, content }) => ({ path: path.slice(top.length + 1), content })),
  );
}

/** The files of a file input. */
export function chosenFiles(list: FileList | null): readonly GivenFile[] {
  return withoutFolder(
    [...(list ?? [])].map((file) => ({
      path: file.webkitRelativePath || file.name,
      content: file,
    })),
  );
}

function entriesOf(folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  return new Promise((resolve, reject) => {
    // Each call returns some of the entries, and the last none.
    const next = (): void =>
      reader.readEntries((some) => {
        all.push(...some);
        if (some.length === 0) resolve(all);
        else next();
      }, reject);
    next();
  });
}

async function filesBelow(entry: FileSystemEntry): Promise<readonly GivenFile[]> {
  if (entry.isFile) {
    const content = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [{ path: entry.fullPath.slice(1), content }];
  }
  const entries = await entriesOf(entry as FileSystemDirectoryEntry);
  return (await Promise.all(entries.map(filesBelow))).flat();
}

/** The files of a drop, those of folders included. */
export async function droppedFiles(transfer: DataTransfer): Promise<readonly GivenFile[]> {
  // The list of items is empty after the first await.
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const files = entries.length > 0 ? [] : chosenFiles(transfer.files);
  return withoutFolder([...files, ...(await Promise.all(entries.map(filesBelow))).flat()]);
}
