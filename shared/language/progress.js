/** Tasks as they go on (VA-6): told by the server over a WebSocket, asked for where there is none. */
import { query } from "./client.js";

export const isOver = (task) => !["queued", "running"].includes(task.status);

const POLL_MS = 1_000;
const QUIET_MS = 5_000;
/** After so long without a word a WebSocket may be dead without either side knowing. */
const STALE_MS = 30_000;
const STEP_MS = 500;
/** So long a server may be away, as when it is started anew, before watching gives up. */
const AWAY_MS_MAX = 60_000;
/** How many times tasks are asked for before the WebSocket is tried again, at most. */
const POLLS_MAX = 10;

/**
 * Tells `told(task)` of every change until `enough()` or the user stops it. With a `taskId` of that task alone, else of all
 * tasks of the caller. The current state comes first.
 */
export async function follow(call, realm, taskId, told, enough) {
  let here = call.host.now();
  for (let round = 0; !enough(); round++) {
    const heard = await listen(call, realm, taskId, told, enough);
    if (heard) {
      round = 0;
      here = call.host.now();
    }
    for (let polls = 0; polls <= Math.min(round, POLLS_MAX) && !enough(); polls++) {
      try {
        await call.until(poll(call, realm, taskId, told));
        here = call.host.now();
      } catch (failure) {
        const isAway = failure.status === 0 || failure.status >= 502;
        if (!isAway || call.host.now() - here > AWAY_MS_MAX) throw failure;
      }
      if (!enough()) await call.pause(POLL_MS);
    }
  }
}

async function poll(call, realm, taskId, told) {
  if (taskId) {
    told(await call.api.request("GET", `/api/v1/tasks/${encodeURIComponent(taskId)}`, { realm }));
    return;
  }
  const list = await call.api.request("GET", `/api/v1/tasks${query({ page_size: 100 })}`, { realm });
  for (const task of [...list.items].reverse()) told(task);
}

/** Whether a WebSocket told anything before it ended. */
async function listen(call, realm, taskId, told, enough) {
  let ticket;
  try {
    ticket = await call.until(call.api.request("POST", "/api/v1/ws/ticket", { realm }));
  } catch (failure) {
    if (failure.status >= 400 && failure.status < 500) throw failure;
    return false;
  }
  const address = call.host.base.replace(/^http/u, "ws");
  const path = `/api/v1/ws/progress${query({ ticket: ticket.ticket, task_id: taskId })}`;
  let socket;
  let heard = null;
  let isOpen = true;
  const ended = new Promise((end) => {
    try {
      socket = new call.host.WebSocket(address + path);
    } catch {
      end();
      return;
    }
    socket.onclose = end;
    socket.onerror = end;
    socket.onmessage = ({ data }) => {
      if (!isOpen) return;
      heard = call.host.now();
      try {
        told(JSON.parse(data));
      } catch {
        // What is no task is asked for instead.
        end();
      }
      if (enough()) end();
    };
  });
  try {
    await call.until(
      Promise.race([
        ended,
        silent(
          call,
          () => isOpen,
          () => heard,
        ),
      ]),
    );
  } finally {
    isOpen = false;
    try {
      socket?.close();
    } catch {
      // It is closed, or was never open.
    }
  }
  return heard !== null;
}

/**
 * Ends when nothing was heard for a while: something on the way may keep WebSockets open and silent. In small steps,
 * so that no timer is left when the WebSocket has ended.
 */
async function silent(call, isOpen, heard) {
  const since = call.host.now();
  while (isOpen()) {
    const quiet = call.host.now() - (heard() ?? since);
    if (quiet > (heard() === null ? QUIET_MS : STALE_MS)) return;
    await call.host.sleep(STEP_MS);
  }
}
