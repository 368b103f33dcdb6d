/** Code with a button that copies it. */
import { useState } from "preact/hooks";

export function CodeBlock({ title, code }: { readonly title: string; readonly code: string }) {
  const [copied, setCopied] = useState("");
  const copy = (): void => {
    navigator.clipboard.writeText(code).then(
      () => setCopied("Copied."),
      () => setCopied("The browser does not allow copying. Select the text instead."),
    );
  };
  return (
    <div class="card code">
      <h3>{title}</h3>
      <pre>
        <code>{code}</code>
      </pre>
      <div class="buttons">
        <button type="button" aria-label={`Copy: ${title}`} onClick={copy}>
          Copy
        </button>
        <span role="status">{copied}</span>
      </div>
    </div>
  );
}
