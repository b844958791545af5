/** All commands, in the order in which help shows them. */
import { ACCOUNT } from "./account.js";
import { ADMIN } from "./admin.js";
import { EXPORTS } from "./exports.js";
import { MARKET } from "./market.js";
import { MEDIA } from "./media.js";
import { OPERATIONS } from "./operations.js";
import { PROJECTS } from "./projects.js";
import { REVIEW } from "./review.js";
import { SHELL } from "./shell.js";
import { SYNC } from "./sync.js";
import { TASKS } from "./tasks.js";
import { TRADE } from "./trade.js";

export const COMMANDS = [
  ...ACCOUNT,
  ...MEDIA,
  ...TASKS,
  ...EXPORTS,
  ...MARKET,
  ...TRADE,
  ...SYNC,
  ...REVIEW,
  ...ADMIN,
  ...OPERATIONS,
  ...PROJECTS,
  ...SHELL,
];

/** The command of that name or alias. */
export function find(name) {
  return COMMANDS.find((command) => command.name === name || command.aliases?.includes(name));
}
