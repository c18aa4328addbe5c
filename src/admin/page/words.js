// Words and numbers, as lbctl says them. Nothing here touches the page.

const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
const many = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** `2h 10m`, `3s`, `250ms`. */
function span(ms) {
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const seconds = Math.floor(Math.max(ms, 0) / 1000);
  const at = units.findIndex(([, size]) => seconds >= size);
  if (at < 0) return ms > 0 ? `${Math.max(Math.round(ms), 1)}ms` : "0s";
  const [unit, size] = units[at];
  const next = units[at + 1];
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0;
  return `${Math.floor(seconds / size)}${unit}` + (rest ? ` ${rest}${next[0]}` : "");
}

/** `83ms`, `410us`, `1.2s`. */
function latency(us) {
  if (us === undefined || us === null) return "–";
  if (us < 1000) return `${us}us`;
  return us < 1e6 ? `${Math.floor(us / 1000)}ms` : `${(Math.floor(us / 1e5) / 10).toFixed(1)}s`;
}

function rate(number) {
  if (number === undefined) return "–";
  return number < 10 ? number.toFixed(1) : count(Math.round(number));
}

const percent = (share) => (share === undefined ? "–" : `${(share * 100).toFixed(1)}%`);
const clock = (time) => new Date(time).toTimeString().slice(0, 8);
const day = (time) => {
  const at = new Date(time);
  const pad = (number) => String(number).padStart(2, "0");
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${clock(time)}`;
};
const recent = (time) => (new Date(time).toDateString() === new Date().toDateString() ? clock(time) : day(time).slice(5, 16));
const inBrackets = (text) => (text ? ` (${text})` : "");
const pathOf = (server) => `${server.pool}/${server.name}`;
const ICONS = { good: "✓", warn: "!", bad: "✗", dim: "·" };

/** The state in words, and how bad it is: `up`, `down 2m (connect refused)`, `drain, up`, `maint`. */
function serverState(server) {
  const { health, admin } = server;
  let found = "up", tone = "good";
  if (health.state === "down") {
    [found, tone] = [`down ${span(health.since_ms)}${inBrackets(health.reason)}`, "bad"];
  } else if (health.state !== "up") {
    [found, tone] = health.checked ? ["not checked yet", "warn"] : ["not checked", "dim"];
  }
  if (tone !== "bad" && server.ejected_ms !== undefined) {
    [found, tone] = [`ejected ${span(server.ejected_ms)}${inBrackets(server.ejected_reason)}`, "bad"];
  } else if (tone !== "bad" && server.starting_percent !== undefined) {
    [found, tone] = [`starting ${server.starting_percent}%`, "warn"];
  }
  if (admin.state === "maint") return ["maint", "warn"];
  if (admin.state === "drain") return [`drain, ${found}`, tone === "bad" ? "bad" : "warn"];
  return [found, tone];
}

/** Whether somebody should look at it. */
const isNotable = (server) =>
  !["good", "dim"].includes(serverState(server)[1]) || server.weight !== server.file_weight || server.eligible !== "ready";

function poolState(pool) {
  if (pool.servers === 0) return ["no servers", "warn"];
  return [`${count(pool.up)}/${count(pool.servers)} up`, pool.up === 0 ? "bad" : pool.up < pool.servers ? "warn" : "good"];
}

function stickyWords(table) {
  if (table.cookie) return `${table.kind} ${table.cookie}`;
  return table.entries === undefined ? table.kind : `${table.kind} ${count(table.entries)}`;
}

function healthWords({ health }) {
  if (!health.checked) return "not checked: the pool defines no health check";
  const word = { up: "up", down: "down" }[health.state] ?? "not checked yet";
  const last = health.last_check_ms === undefined ? "" : `, last ${span(health.last_check_ms)} ago`;
  return `${word} for ${span(health.since_ms)}${inBrackets(health.reason)}, ${health.good} good and ${health.bad} bad in a row${last}`;
}

function adminWords({ admin }) {
  let text = admin.state;
  if (admin.state === "drain") text += admin.sticky === "move" ? ", existing clients move" : ", existing clients stay";
  if (admin.deadline) text += `, deadline ${recent(admin.deadline)}`;
  if (admin.until) text += `, back at ${recent(admin.until)}`;
  if (admin.paused) text += ", paused";
  return text + byWhom(admin);
}

function byWhom({ actor, reason }) {
  return (actor ? `, by ${actor}` : "") + (reason ? `: ${reason}` : "");
}

/** What an event says beyond its kind and subject. */
function eventWords({ data, actor }) {
  const why = ["message", "summary", "reason", "why"].map((name) => data?.[name]).find((text) => typeof text === "string" && text);
  return [why, actor && `by ${actor}`].filter(Boolean).join(", ");
}

const eventTone = ({ kind }) =>
  /\.(down|rejected|failed|ejected|forced|upgrade-failed)$/.test(kind) ? "bad"
  : /\.(up|applied|ready|drained|restored|recovered|confirmed)$/.test(kind) ? "good" : "dim";

/** What a drain is expected to do. */
function forecastWords(forecast) {
  const parts = [forecast.closing_ms === undefined
    ? `${many(forecast.websockets, "websocket")} would stay until the deadline`
    : `${many(forecast.websockets, "websocket")} would be closed in about ${span(forecast.closing_ms)}`];
  if (forecast.staying) parts.push(`${many(forecast.staying, "websocket")} not chosen would stay until the deadline`);
  if (forecast.others) parts.push(`${many(forecast.others, "stream")} can only be cut, at the deadline`);
  if (forecast.websockets + (forecast.staying ?? 0) + forecast.others > 0) {
    parts.push(`half are older than ${span(forecast.median_age_ms)}, the oldest ${span(forecast.oldest_ms)}`);
  }
  return parts.join("; ");
}

/** How far a drain has come. */
function drainWords(operation, now) {
  const { left, closed } = operation;
  const parts = [`${count(closed)}/${count(closed + left.sessions)} closed`, many(left.requests, "request"), `${many(left.sessions, "session")} left`];
  if (operation.paused) parts.push("paused");
  if (operation.deadline) {
    const rest = new Date(operation.deadline) - now;
    parts.push(rest > 0 ? `${span(rest)} to the deadline` : "deadline reached, closing");
  }
  if (operation.phase === "closing" && operation.close_rate) parts.push(`closing ${operation.close_rate}`);
  return parts.join(" · ");
}

function listenerKind(listener) {
  const words = [listener.tls ? "tls" : "plain"];
  if (listener.redirect) words.push("redirects to https");
  for (const { sni, pool } of listener.tcp ?? []) words.push(`tcp${sni ? ` ${sni}` : ""} → ${pool}`);
  return words.join(", ");
}
