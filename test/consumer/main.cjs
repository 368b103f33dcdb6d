// What a user's CommonJS program does with the package.
const espalier = require("espalier");
const classifier = require("espalier/classifier");
const io = require("espalier/io");
const nn = require("espalier/nn");

import("./exercise.mjs").then(async ({ exercise }) => {
  console.log(JSON.stringify(await exercise({ espalier, classifier, io, nn })));
});
