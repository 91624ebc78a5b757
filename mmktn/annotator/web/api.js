// Talks to the server. A change is sent until the server has it: while it is gone, the page waits.

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

const RETRY_MS = 1500;
const AWAY_MS = 60000;
export const tab = crypto.getRandomValues(new Uint32Array(3)).join("-");
export const state = { annotator: localStorage.getItem("annotator") || "", run: "" };
const listeners = { waiting: () => {}, saved: () => {} };

export function onConnection(waiting, saved) {
  listeners.waiting = waiting;
  listeners.saved = saved;
}

// Time at work: pauses longer than a minute do not count.
const clock = { active: 0, last: performance.now() };
function touch() {
  const now = performance.now();
  clock.active += Math.min(now - clock.last, AWAY_MS);
  clock.last = now;
}
for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
  addEventListener(kind, touch, { passive: true, capture: true });
}
export function takeSeconds() {
  touch();
  const seconds = clock.active / 1000;
  clock.active = 0;
  return Math.round(seconds * 100) / 100;
}

async function answer(response) {
  if (response.ok) return response.json();
  let text = response.statusText;
  try {
    text = (await response.json()).error || text;
  } catch {
    // no JSON: the status says enough
  }
  throw new Refused(response.status, text);
}

async function reached(path, options) {
  for (;;) {
    try {
      const response = await fetch(path, options);
      listeners.waiting(false);
      return response;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      listeners.waiting(true);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

export async function get(path, options = {}) {
  return answer(await reached(path, options));
}

export async function getBytes(path) {
  const response = await reached(path, {});
  if (!response.ok) return answer(response);
  return response.arrayBuffer();
}

// The address of a picture, which the browser keeps as long as this server runs.
export const kept = (path) => `${path}?run=${state.run}`;

function change(fields) {
  const body = JSON.stringify({ annotator: state.annotator, tab, ...fields });
  return { method: "POST", headers: { "Content-Type": "application/json" }, body };
}

export async function post(path, fields = {}) {
  const found = await answer(await reached(path, change(fields)));
  listeners.saved();
  return found;
}

// Sent at once and once, also while the page closes; nobody waits for the answer.
export function release(path, fields) {
  return fetch(path, { ...change(fields), keepalive: true }).catch(() => {});
}
