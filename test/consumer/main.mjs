// What a user's ES module does with the package.
import * as espalier from "espalier";
import * as classifier from "espalier/classifier";
import * as io from "espalier/io";
import * as nn from "espalier/nn";
import { exercise } from "./exercise.mjs";

console.log(JSON.stringify(await exercise({ espalier, classifier, io, nn })));
