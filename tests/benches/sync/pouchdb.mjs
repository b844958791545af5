// Replicates documents between PouchDB and pouchdb-server, up and down, and prints the seconds of each.
import { createRequire } from "node:module";
import { mkdirSync, rmSync } from "node:fs";
const require = createRequire(process.cwd() + "/");
const PouchDB = require("pouchdb");

const [url, rows, bytes, folder] = process.argv.slice(2);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const up = new PouchDB(`${folder}/up`);
const text = "茶".repeat(Math.floor((Number(bytes) - 200) / 3));
for (let at = 0; at < Number(rows); at += 1000) {
  const docs = [];
  for (let n = at; n < Math.min(at + 1000, Number(rows)); n++) docs.push({ _id: `member:${n}`, business_type: "member", n, text });
  await up.bulkDocs(docs);
}
const timed = async (job) => {
  const start = performance.now();
  const done = await job();
  if (done.docs_written !== Number(rows)) throw new Error(`${done.docs_written} of ${rows}`);
  return (performance.now() - start) / 1000;
};
const options = { batch_size: 500, batches_limit: 10 };
const sent = await timed(() => up.replicate.to(url, options));
const down = new PouchDB(`${folder}/down`);
const fetched = await timed(() => down.replicate.from(url, options));
console.log(JSON.stringify({ up: sent, down: fetched }));
process.exit(0);
