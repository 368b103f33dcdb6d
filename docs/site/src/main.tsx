/** Starts the page. */
import { render } from "preact";
import "virtual:report.css";
import "./site.css";
import { App } from "./app.tsx";

const site = document.getElementById("site");
if (site === null) throw new Error("#site: expected an element, got none");
site.replaceChildren();
render(<App />, site);
