// Reads a line of JSON for each formula, [formula, whether it is displayed], and writes one with its HTML.
const katex = require(process.argv[2]);
require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [formula, displayMode] = JSON.parse(line);
    let answer;
    try {
      answer = { html: katex.renderToString(formula, { displayMode, throwOnError: true, strict: "ignore" }) };
    } catch (error) {
      answer = { error: error.message };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  });
