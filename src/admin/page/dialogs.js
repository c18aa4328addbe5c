// What opens above the page: a server, a change to agree to, the token, what a generation changed.

const SESSIONS_SHOWN = 50;
/** Events of an open server. */
const HISTORY_SHOWN = 60;
/** How often the sessions of an open server are asked for, in ms. */
const SESSIONS_EVERY = 5000;

function closer(dialog, text = "Close") {
  return button(text, () => dialog.close());
}

/** Opens a dialog with this inside. */
function open(dialog, ...inside) {
  dialog.replaceChildren(...inside);
  if (!dialog.open) dialog.showModal();
}

const address = (path) => {
  const [pool, ...name] = path.split("/");
  return `v1/pools/${encodeURIComponent(pool)}/servers/${encodeURIComponent(name.join("/"))}`;
};

function openServer(path) {
  const dialog = $("server");
  dialog.path = path;
  dialog.drawn = {
    state: stateMark(), facts: el("dl.pairs"), history: el("ol.events"), none: el("p.dim", "Nothing is remembered of it."),
    sessions: el("tbody"), count: el("p.dim"), buttons: el("div.bar"), rights: el("p.dim"),
  };
  const part = dialog.drawn;
  part.table = el("table", el("caption.hidden", `Sessions on ${path}`), el("thead", el("tr", ...["Kind", "Client", "Open for", "Idle for"].map((name) => having(el("th", name), { scope: "col" })))), part.sessions);
  part.drain = button("Drain…", () => confirmChange(path, "drain"));
  part.maint = button("Maintenance…", () => confirmChange(path, "maint"));
  part.ready = button("Bring back…", () => confirmChange(path, "ready"));
  part.check = button("Check now", () => checkNow(path));
  part.buttons.append(part.drain, part.ready, part.maint, part.check);
  const title = having(el("h2", path), { id: "server-name" });
  open(dialog, title, part.state, part.facts, part.buttons, part.rights, el("h3", "History"), part.none, part.history, el("h3", "Sessions"), part.count, part.table, el("div.bar", closer(dialog)));
  part.seen = [];
  part.past = [];
  drawServer();
  askSessions();
}

function drawServer() {
  const dialog = $("server");
  if (!dialog.open) return;
  const { drawn: part, path } = dialog;
  const server = state.look.servers.find((one) => pathOf(one) === path);
  const known = new Set(part.past.map((event) => event.seq));
  const news = state.events.filter((event) => event.subject === path && !known.has(event.seq));
  const history = [...part.past, ...news].sort((a, b) => b.seq - a.seq).slice(0, HISTORY_SHOWN);
  keyed(part.history, history, (event) => event.seq, (event) => makeEvent(event, true));
  show(part.none, !history.length);
  show(part.buttons, server && state.token);
  put(part.rights, state.token ? "" : rightsWords());
  show(part.rights, !state.token);
  if (!server) {
    putState(part.state, ["the configuration names it no more", "dim"]);
    return;
  }
  putState(part.state, serverState(server));
  pairs(part.facts, serverFacts(server));
  show(part.drain, server.admin.state !== "drain");
  show(part.maint, server.admin.state !== "maint");
  show(part.ready, server.admin.state !== "ready");
  show(part.check, server.health.checked);
  put(part.count, server.sessions ? `${many(server.sessions, "session")}${server.sessions > SESSIONS_SHOWN ? `, the oldest ${SESSIONS_SHOWN} of them` : ""}` : "None is open.");
  show(part.table, part.seen.length);
  keyed(part.sessions, part.seen, (one) => one.id, (one) => el("tr", el("td", one.kind), el("td", one.client), el("td"), el("td")), (row, one) => {
    put(row.children[2], span(one.age_ms));
    put(row.children[3], span(one.idle_ms));
  });
}

function serverFacts(server) {
  const facts = [["address", server.address]];
  if (server.endpoint && server.endpoint !== server.address) facts.push(["endpoint", server.endpoint]);
  if (server.origin) facts.push(["found by", `discover ${server.origin}${server.unnamed ? ", which names it no longer" : ""}`]);
  facts.push(["eligible", `${server.eligible}${inBrackets(server.why)}`], ["health", healthWords(server)], ["admin", adminWords(server)]);
  facts.push(["weight", `${server.weight}${server.weight === server.file_weight ? "" : ` (file ${server.file_weight})`}${server.backup ? ", backup" : ""}`]);
  facts.push(["now", `${many(server.in_flight, "request")} in flight, ${many(server.sessions, "session")}, ${many(server.idle_connections, "idle connection")}`]);
  facts.push(["requests", `${count(server.requests)} (${count(server.errors_5xx)} with 5xx, ${count(server.failures)} without answer)`], ["p99", latency(server.p99_us)]);
  return facts;
}

async function askSessions() {
  const dialog = $("server");
  const { path, drawn: part } = dialog;
  while (dialog.open && dialog.drawn === part) {
    try {
      const server = await ask("GET", address(path));
      part.seen = (server.streams ?? []).slice(0, SESSIONS_SHOWN);
      part.past = server.history ?? [];
      if (dialog.drawn === part) drawServer();
    } catch {
      // The next look says whether lbd answers.
    }
    await new Promise((done) => setTimeout(done, SESSIONS_EVERY));
  }
}

const QUESTIONS = { drain: "Drain", maint: "Stop", ready: "Bring back" };

/** Asks what a change would do, tells it, and makes it when it is agreed to. */
async function confirmChange(path, wish) {
  const dialog = $("confirm");
  const title = having(el("h2", `${QUESTIONS[wish]} ${path}?`), { id: "confirm-title" });
  const wait = el("p", "Asking lbd what it would do …");
  open(dialog, title, wait, el("div.bar", closer(dialog, "Cancel")));
  let told;
  try {
    told = await ask("PUT", `${address(path)}/admin`, { state: wish, dry_run: true });
  } catch (problem) {
    return open(dialog, title, complaint(problem), el("div.bar", closer(dialog)));
  }
  if (!dialog.open) return;
  const { guards = [] } = told.effect;
  const reason = having(el("input"), { type: "text", id: "reason", maxlength: 200, autocomplete: "off" });
  const force = having(el("input"), { type: "checkbox", id: "force" });
  const failed = el("div");
  const go = button(`${QUESTIONS[wish]} ${path}`, async () => {
    go.disabled = true;
    try {
      await change(path, wish, { reason: reason.value.trim() || undefined, force: force.checked });
      dialog.close();
    } catch (problem) {
      failed.replaceChildren(complaint(problem));
      go.disabled = false;
    }
  }, "first");
  go.disabled = guards.length > 0;
  force.addEventListener("change", () => { go.disabled = !force.checked; });
  reason.addEventListener("keydown", (event) => { if (event.key === "Enter" && !go.disabled) go.click(); });
  const objections = guards.map((text) => el("p.box.tone-bad", `✗ ${text}`));
  const allTheSame = guards.length ? having(el("label.tick", force, "Do it all the same"), { for: "force" }) : null;
  open(dialog, title, el("div.box", ...effectWords(told, wish).map((text) => el("p", text))), ...objections,
    having(el("label", "Reason, for the log and for others"), { for: "reason" }), reason, ...(allTheSame ? [allTheSame] : []), failed,
    el("div.bar", go, closer(dialog, "Cancel")));
  reason.focus();
}

/** What a change would do, in sentences. */
function effectWords({ effect }, wish) {
  const load = `${many(effect.sessions, "session")} and ${many(effect.requests, "request")} are on it.`;
  if (wish === "ready") return ["It takes new clients again, as soon as its check says that it is up.", load];
  const names = effect.others.length > 8 ? `${effect.others.slice(0, 8).join(", ")} and ${effect.others.length - 8} more` : effect.others.join(", ");
  const words = [load, names ? `New clients go to ${names}.` : "No server is left for new clients: they get 503."];
  if (wish === "drain") words.push("Its own clients stay on it while the drain lasts, if the pool is sticky.");
  if (wish === "maint") words.push("Nobody is sent to it any more, not even its own clients; what is open goes on.");
  if (effect.forecast && effect.sessions) words.push(`${forecastWords(effect.forecast)}.`);
  return words;
}

async function change(path, wish, more) {
  await ask("PUT", `${address(path)}/admin`, { state: wish, ...more });
  const done = { drain: "draining", maint: "stopped", ready: "brought back" }[wish];
  toast(`${done} ${path}`, wish === "ready" ? null : () => change(path, "ready", { reason: "undone on the page" }));
}

async function pauseDrain(operation) {
  const verb = operation.paused ? "resume" : "pause";
  try {
    await ask("POST", `v1/operations/${encodeURIComponent(operation.id)}/${verb}`);
    toast(`${operation.subject}: ${operation.paused ? "closing goes on" : "nobody is closed for now"}`);
  } catch (problem) {
    toast(problem.detail);
  }
}

async function checkNow(path) {
  try {
    const probe = await ask("POST", `${address(path)}/check`);
    toast(`${path}: ${probe.passed ? "passed" : "failed"}, ${probe.verdict} (${probe.asked})`);
  } catch (problem) {
    toast(problem.detail);
  }
}

function complaint(problem) {
  const help = (problem.help ?? []).map((text) => el("p", `help: ${text}`));
  return el("div.box.tone-bad", el("p", `✗ ${problem.detail}`), ...help);
}

/** Says what was done, until it is put away or something else is said. */
function toast(text, undo) {
  const away = button("Dismiss", () => $("toast").replaceChildren());
  const back = undo && button("Undo", async () => {
    try {
      await undo();
    } catch (problem) {
      toast(problem.detail);
    }
  });
  $("toast").replaceChildren(el("div", el("span", text), back || null, away));
}

function openToken() {
  const dialog = $("token");
  const field = having(el("input"), { type: "password", id: "secret", autocomplete: "current-password" });
  const failed = el("div");
  const go = button("Unlock", async () => {
    state.token = field.value;
    try {
      await ask("GET", "v1");
      dialog.close();
      draw();
      $("unlock").focus();
    } catch (problem) {
      state.token = null;
      failed.replaceChildren(complaint(problem));
      field.focus();
    }
  }, "first");
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") go.click(); });
  open(dialog, having(el("h2", "Unlock changes"), { id: "token-title" }),
    el("p", "With the token that “operate” in “status” names, servers can be drained and brought back here. It is kept until this page is left."),
    having(el("label", "Token"), { for: "secret" }), field, failed, el("div.bar", go, closer(dialog, "Cancel")));
  field.focus();
}

/** What a generation changed: its summary, and the settings for whoever has the token. */
async function openChanges(number) {
  const dialog = $("changes");
  const at = state.generations.findIndex((one) => one.number === number);
  const [before, generation] = [state.generations[at - 1], state.generations[at]];
  const title = having(el("h2", `Generation ${number}`), { id: "changes-title" });
  const facts = el("dl.pairs");
  pairs(facts, [["since", day(generation.since)], ["by", [generation.cause, generation.actor].filter(Boolean).join(", ")], ["changed", generation.summary || "the first"], ...(generation.reason ? [["reason", generation.reason]] : [])]);
  const inside = (...more) => open(dialog, title, facts, ...more, el("div.bar", closer(dialog)));
  if (!before) return inside(el("p.dim", "Nothing before it is remembered."));
  if (!state.token) return inside(el("p.dim", `Settings and their values: unlock changes, or lbctl config diff ${before.number} ${number}.`));
  inside(el("p", "Comparing …"));
  try {
    const told = await ask("GET", `v1/config/diff?from=${before.number}&to=${number}`);
    inside(el("h3", `Compared with generation ${before.number}`), el("ul.findings", ...told.changes.map(changeItem)));
  } catch (problem) {
    inside(complaint(problem));
  }
}

function changeItem({ kind, name, what, detail, place, settings = [] }) {
  const sign = { added: "+", removed: "−" }[what] ?? "~";
  const setting = (one) => el("div.mono", `${one.name}: ${one.old ?? "–"} → ${one.new ?? "–"}`);
  return el("li", el("div", `${sign} ${kind} ${name} ${detail ?? ""}`, place ? el("span.mono.dim", ` ${place}`) : null), ...settings.map(setting));
}
