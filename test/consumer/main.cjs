// What a user's CommonJS program does with the package.
const espalier = require("espalier");
const io = require("espalier/io");
const nn = require("espalier/nn");

import("./exercise.mjs").then(({ exercise }) => {
  console.log(JSON.stringify(exercise({ espalier, io, nn })));
});
