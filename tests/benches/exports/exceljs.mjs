// exceljs, streaming: exceljs.mjs PAGES OUT, with exceljs in node_modules of the working folder. Reading pages
// does not count.

import { readFileSync, createReadStream } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const ExcelJS = createRequire(process.cwd() + "/")("exceljs");
const [pages, out] = process.argv.slice(2);
const keys = ["id", "name", "city", "buyer", "note", "remark", "amount", "count", "paid", "day"];

let start = performance.now();
let spent = 0;
const pause = () => (spent += performance.now() - start);
const book = new ExcelJS.stream.xlsx.WorkbookWriter({ filename: out, useStyles: true, useSharedStrings: false });
const sheet = book.addWorksheet("Rows");
sheet.columns = keys.map((key) => ({ key, style: key === "day" ? { numFmt: "yyyy-mm-dd" } : {} }));
sheet.addRow(keys).commit();
pause();
for await (const line of createInterface({ input: createReadStream(pages), crlfDelay: Infinity })) {
  const rows = JSON.parse(line).data.data.map((row) => keys.map((key) => (key === "day" ? new Date(row[key]) : row[key])));
  start = performance.now();
  for (const row of rows) sheet.addRow(row).commit();
  // What was committed is compressed and written between the pages.
  await new Promise(setImmediate);
  pause();
}
start = performance.now();
await book.commit();
pause();
const kib = Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
console.log(JSON.stringify([spent / 1000, kib]));
