// The parts of the page: each is drawn from `state`, and keeps what has not changed.

/** Servers that a pool shows at once; of more, those that are notable. */
const FEW = 12;
/** Problems of one pool that are listed one by one. */
const SINGLE = 5;
const EVENTS_SHOWN = 80;

/** What the filter leaves. */
function chosen() {
  const { look, routes, events } = state;
  const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const hit = (...texts) => {
    const all = texts.flat().join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  };
  const some = {
    words,
    listeners: look.status.listeners.filter((one) => hit(one.name, one.address, listenerKind(one))),
    routes: routes.filter((one) => hit(one.name, one.hosts, one.patterns, one.conditions ?? [], one.action, one.place)),
    events: events.filter((one) => hit(one.kind, one.subject, eventWords(one))),
  };
  const led = new Set(words.length ? some.routes.map((route) => route.pool) : []);
  const serverHit = (one) => hit(pathOf(one), one.address, one.endpoint ?? "", serverState(one)[0], byWhom(one.admin));
  some.pools = look.status.pools.flatMap((pool) => {
    const all = look.servers.filter((one) => one.pool === pool.name);
    const whole = led.has(pool.name) || hit(pool.name, pool.balance, (pool.sticky ?? []).map(stickyWords));
    const servers = whole ? all : all.filter(serverHit);
    return whole || servers.length ? [{ pool, all, servers }] : [];
  });
  return some;
}

function drawFound(some) {
  if (!some.words.length) return put($("found"), "");
  const servers = some.pools.reduce((sum, one) => sum + one.servers.length, 0);
  const parts = [many(some.pools.length, "pool"), many(servers, "server"), many(some.routes.length, "route"), many(some.listeners.length, "listener"), many(some.events.length, "event")];
  put($("found"), `Matching: ${parts.join(", ")}. Esc shows everything.`);
}

/** What somebody should look at, the worst first. */
function problems() {
  const { status, servers } = state.look;
  const { config } = status;
  const all = [];
  const add = (tone, key, words, server) => all.push({ tone, key, words, server });
  if (state.about.ready === false) add("warn", "stopping", "lbd is stopping: who asks its ready path is told to go elsewhere");
  if (config.rejected) {
    const { first, at } = config.rejected;
    const what = first ? `${first.place ? `${first.place}: ` : ""}${first.message}${inBrackets(first.code)}` : "they cannot be used";
    add("bad", "rejected", `The files were refused at ${recent(at)}: ${what}. Generation ${config.generation} goes on.`);
  }
  for (const pool of status.pools) {
    if (pool.servers > 0 && pool.up === 0) add("bad", `pool ${pool.name}`, `Pool ${pool.name}: no server takes new clients, they get 503`);
    if (pool.servers === 0) add("warn", `pool ${pool.name}`, `Pool ${pool.name} has no servers`);
  }
  const drained = new Set(status.operations.map((operation) => operation.subject));
  for (const tone of ["bad", "warn"]) {
    for (const pool of status.pools) {
      const notable = servers.filter((one) => one.pool === pool.name && !drained.has(pathOf(one)) && serverState(one)[1] === tone);
      const words = (one) => `${pathOf(one)}: ${serverState(one)[0]}${byWhom(one.admin)}`;
      if (notable.length <= SINGLE) {
        for (const one of notable) add(tone, pathOf(one), words(one), one);
      } else {
        const kind = tone === "bad" ? "are down or ejected" : "are away or starting";
        add(tone, `${pool.name} ${tone}`, `Pool ${pool.name}: ${count(notable.length)} of ${count(pool.servers)} servers ${kind}, among them ${notable[0].name}: ${serverState(notable[0])[0]}`);
      }
    }
  }
  const { unconfirmed, pinned } = config;
  if (unconfirmed) add("warn", "unconfirmed", `Generation ${unconfirmed.previous} comes back in ${span(unconfirmed.left_ms)} unless lbctl config confirm${byWhom(unconfirmed)}`);
  if (pinned) add("warn", "pinned", `Generation ${pinned.generation} is pinned: saves change nothing${byWhom(pinned)}`);
  for (const name of status.unresolved ?? []) add("warn", `name ${name.name}`, `${name.name} does not resolve for ${span(name.since_ms)}: ${name.reason}`);
  for (const old of status.predecessors ?? []) {
    const open = old.requests + old.websockets + old.tunnels + old.tcp + old.streams;
    add("warn", `process ${old.pid}`, `Old process ${old.pid} (lbd ${old.lbd}) still serves ${count(open)} requests and streams; at most ${span(old.left_ms)} more`);
  }
  for (const finding of config.warnings ?? []) add("warn", `finding ${finding.code} ${finding.message} ${finding.place}`, `${finding.message} (${finding.code}${finding.place ? `, ${finding.place}` : ""})`);
  return all;
}

function drawTop(all) {
  const { status, servers } = state.look;
  const drains = status.operations.length;
  const bad = all.filter((one) => one.tone === "bad").length;
  const warn = all.length - bad + drains;
  const empty = !status.pools.length && !status.listeners.length;
  const verdict = bad ? [`${many(bad, "problem")}${warn ? `, ${count(warn)} to look at` : ""}`, "bad"]
    : warn ? [`${many(warn, "thing")} to look at`, "warn"]
    : empty ? ["nothing is served yet", "dim"] : ["all is well", "good"];
  putState($("verdict"), verdict);
  document.title = `${ICONS[verdict[1]]} ${verdict[0]} – lbd`;
  const requests = status.pools.reduce((sum, pool) => sum + (pool.rate ?? 0), 0);
  const open = status.listeners.reduce((sum, listener) => sum + listener.connections, 0);
  const sessions = servers.reduce((sum, one) => sum + one.sessions, 0);
  put($("facts"), `${status.lbd} · up ${span(status.uptime_ms)} · generation ${status.config.generation} · ${rate(requests)} requests/s · ${many(open, "connection")} · ${many(sessions, "session")}`);
}

function drawAttention(all) {
  const { status } = state.look;
  const calm = { tone: "good", key: "calm", words: calmWords() };
  $("attention").classList.toggle("calm", !all.length && !status.operations.length);
  put($("attention-title"), all.length || status.operations.length ? "What needs attention" : "Now");
  const notes = all.length ? all : status.operations.length ? [] : [calm];
  keyed($("notes"), notes, (note) => note.key, makeNote, (node, note) => {
    putState(node.firstChild, [node.opener ? "" : note.words, note.tone]);
    if (node.opener) put(node.opener, note.words);
  });
  keyed($("drains"), status.operations, (operation) => operation.id, makeDrain, putDrain);
}

function makeNote(note) {
  const node = el("li", stateMark());
  if (note.server) {
    node.opener = button("", () => openServer(pathOf(node.item.server)), "link");
    node.append(node.opener);
  }
  return node;
}

function calmWords() {
  const { status, servers } = state.look;
  if (!status.pools.length) return status.listeners.length ? "No pools: lbd answers by itself." : "No listener and no pool.";
  const ready = servers.filter((one) => one.eligible === "ready").length;
  return `${many(status.pools.length, "pool")}; ${count(ready)} of ${many(servers.length, "server")} take new clients.`;
}

function makeDrain(operation) {
  const node = el("div.drain");
  const opener = button(operation.subject, () => openServer(operation.subject), "link");
  node.bar = having(el("progress"), { "aria-label": `Drain of ${operation.subject}` });
  node.words = el("span");
  node.who = el("span.dim");
  node.pause = button("Pause", () => pauseDrain(node.item));
  node.back = button("Bring back", () => confirmChange(operation.subject, "ready"));
  node.buttons = el("div.buttons", node.pause, node.back);
  node.append(el("span", operation.verb === "remove" ? "removed: " : "drain: ", opener), node.bar, node.words, node.who, node.buttons);
  return node;
}

function putDrain(node, operation) {
  const total = operation.closed + operation.left.sessions;
  node.bar.max = Math.max(total, 1);
  node.bar.value = total ? operation.closed : operation.left.requests ? 0 : 1;
  put(node.words, drainWords(operation, new Date(state.look.at)));
  put(node.who, byWhom(operation).replace(/^, /, ""));
  put(node.pause, operation.paused ? "Resume" : "Pause");
  show(node.buttons, state.token && operation.verb === "drain");
}

function drawEntry(some) {
  put($("entry-count"), `${many(some.listeners.length, "listener")}, ${many(some.routes.length, "route")}`);
  keyed($("listeners"), some.listeners, (one) => one.name + one.address, () => el("tr", having(el("th", el("span"), el("div.mono.dim")), { scope: "row" }), el("td"), el("td.number")), (row, one) => {
    const [name, kind, open] = row.children;
    put(name.firstChild, one.name);
    put(name.lastChild, one.name.endsWith(one.address) || one.address.endsWith(one.name) ? "" : one.address);
    put(kind, listenerKind(one));
    put(open, count(one.connections));
  });
  const rows = [];
  let site = null;
  const others = state.routes.some((route) => route.hosts.length) ? "every other host" : "every host";
  for (const [at, route] of some.routes.entries()) {
    const hosts = route.hosts.join(", ") || others;
    if (hosts !== site) rows.push({ key: `site ${hosts} ${at}`, site: hosts });
    site = hosts;
    rows.push({ key: `${at} ${route.name} ${route.patterns} ${route.conditions} ${route.action}`, route });
  }
  keyed($("routes"), rows, (row) => row.key, makeRoute);
}

function makeRoute({ site, route }) {
  if (site) return el("tr", having(el("td.site", site), { colspan: 2 }));
  const conditions = (route.conditions ?? []).map((words) => el("div.dim", `when ${words}`));
  const named = route.name && !route.patterns.includes(route.name) ? el("div.dim", route.name) : null;
  const target = route.pool ? button(route.pool, () => goToPool(route.pool), "link") : el("span", route.action);
  return el("tr", el("td", el("span.mono", route.patterns.join("  ")), ...conditions, named), el("td", target));
}

function drawPools(some) {
  const { look } = state;
  keyed($("pool-list"), some.pools, (one) => one.pool.name, makePool, putPool);
  show($("no-pools"), !some.pools.length);
  put($("no-pools"), some.words.length ? "No pool or server matches."
    : look.status.listeners.length ? "No pools: every route answers by itself."
    : "Nothing is served yet: the configuration has no listener and no pool. Save one, and it shows here.");
}

const COLUMNS = [["Address", "less"], ["State", ""], ["Weight", "number least"], ["In flight", "number"], ["Sessions", "number"], ["Requests", "number less"], ["5xx", "number less"], ["p99", "number least"]];

function makePool({ pool }) {
  const node = having(el("article.pool"), { "aria-label": `Pool ${pool.name}`, tabindex: "-1" });
  node.state = stateMark();
  node.about = el("span.dim");
  node.figures = {};
  const figures = el("dl.figures");
  for (const [name, drawn] of [["requests/s", 1], ["p99", 1], ["5xx", 1], ["in flight", 0], ["sessions", 0], ["queued", 0]]) {
    const value = el("span");
    const spark = drawn ? sparkline() : null;
    node.figures[name] = { value, spark };
    figures.append(el("div", el("dt", name), el("dd", value, spark)));
  }
  const head = el("tr", having(el("th", "Server"), { scope: "col" }), ...COLUMNS.map(([name, kind]) => having(el("th", name), { scope: "col", class: kind })));
  node.rows = el("tbody");
  node.table = having(el("div.scroll", el("table", el("caption.hidden", `Servers of ${pool.name}`), el("thead", head), node.rows)), { role: "region", "aria-label": `Servers of ${pool.name}`, tabindex: "0" });
  node.from = el("p.from");
  node.more = button("", () => {
    state.whole[state.whole.has(pool.name) ? "delete" : "add"](pool.name);
    draw();
  });
  node.note = el("p.more", node.more);
  node.append(el("header", el("h3", pool.name), node.state, node.about), node.from, figures, node.table, node.note);
  return node;
}

function putPool(node, { pool, all, servers }) {
  putState(node.state, poolState(pool));
  put(node.about, [pool.balance, ...(pool.sticky ?? []).map(stickyWords)].join(" · "));
  const past = state.past.get(pool.name) ?? { rate: [], p99: [], errors: [] };
  const figure = (name, text, values, least) => {
    put(node.figures[name].value, text);
    if (values) putSpark(node.figures[name].spark, values, least);
  };
  figure("requests/s", rate(pool.rate), past.rate, 1);
  figure("p99", latency(pool.p99_us), past.p99, 1000);
  figure("5xx", percent(pool.error_share), past.errors, 5);
  figure("in flight", count(pool.in_flight));
  figure("sessions", count(pool.sessions));
  figure("queued", count(pool.queued ?? 0));
  const routes = state.routes.filter((route) => route.pool === pool.name).length;
  put(node.from, routes ? `${many(routes, "route")} ${routes === 1 ? "leads" : "lead"} here` : "");
  putServers(node, all, servers);
}

function putServers(node, all, servers) {
  const whole = servers.length <= FEW || state.whole.has(all[0]?.pool);
  let shown = servers;
  if (!whole) {
    const notable = servers.filter(isNotable);
    shown = notable.length ? notable.slice(0, FEW) : servers.slice(0, 3);
  }
  keyed(node.rows, shown, (one) => one.name, makeServer, putServer);
  show(node.table, shown.length);
  show(node.note, servers.length > FEW);
  put(node.more, whole ? "Show only what is notable" : `Show all ${count(servers.length)} servers; ${count(servers.length - shown.length)} are not shown`);
  node.more.setAttribute("aria-expanded", String(whole));
}

function makeServer(server) {
  const opener = button(server.name, () => openServer(pathOf(server)), "link");
  const cells = COLUMNS.map(([, kind]) => having(el("td"), { class: kind }));
  cells[1].append(stateMark());
  return el("tr", having(el("th", opener), { scope: "row" }), ...cells);
}

function putServer(row, server) {
  const [, address, mark, weight, inFlight, sessions, requests, errors, p99] = row.children;
  put(address, server.origin ? `discover ${server.origin}` : server.address);
  putState(mark.firstChild, serverState(server));
  put(weight, server.weight === server.file_weight ? String(server.weight) : `${server.weight} (file ${server.file_weight})`);
  put(inFlight, count(server.in_flight));
  put(sessions, count(server.sessions));
  put(requests, count(server.requests));
  put(errors, count(server.errors_5xx));
  put(p99, latency(server.p99_us));
}

function drawConfig() {
  const { config } = state.look.status;
  put($("config"), `Generation ${config.generation}, ${span(config.since_ms)} ago, by ${config.cause}.`);
  const findings = (state.report?.findings ?? []).filter((one) => one.severity !== "hint");
  keyed($("findings"), findings, (one) => `${one.code} ${one.message} ${one.place}`, makeFinding);
  const generations = [...state.generations].reverse().slice(0, 20);
  keyed($("generations"), generations, (one) => one.number, makeGeneration);
}

function makeFinding(finding) {
  const mark = stateMark();
  putState(mark, [`${finding.severity} ${finding.code}`, finding.severity === "error" ? "bad" : "warn"]);
  const help = (finding.help ?? []).map((text) => el("div.dim", `help: ${text}`));
  return el("li", mark, el("div", finding.message), finding.place ? el("div.mono.dim", finding.place) : null, ...help);
}

function makeGeneration(generation) {
  const { number, since, cause, actor, summary, reason } = generation;
  const words = button(summary || "the first", () => openChanges(number), "link");
  const who = [cause, actor, reason].filter(Boolean).join(", ");
  return el("tr", el("td.number", String(number)), el("td", having(el("time", recent(since)), { datetime: since, title: day(since) })), el("td", words, el("div.dim", who)));
}

function drawCertificates() {
  show($("certificate-part"), state.certificates.length);
  keyed($("certificates"), state.certificates, (one) => one.name + one.serial, (one) => {
    const mark = stateMark();
    const tone = one.days_left < 7 ? "bad" : one.days_left < 21 ? "warn" : "good";
    putState(mark, [String(one.days_left), tone]);
    return el("tr", el("td", one.names.join(", ") || one.name, el("div.dim", (one.used_by ?? []).join(", "))), el("td.number", mark));
  });
}

function drawEvents(some) {
  keyed($("events"), some.events.slice(-EVENTS_SHOWN).reverse(), (event) => event.seq, makeEvent);
  show($("no-events"), !some.events.length);
  put($("no-events"), some.words.length ? "No event matches." : "Nothing has happened yet.");
}

/** An event among all, or among those of one server. */
function makeEvent(event, alone = false) {
  const mark = stateMark();
  putState(mark, [event.kind, eventTone(event)]);
  const time = having(el("time.dim", recent(event.time)), { datetime: event.time, title: day(event.time) });
  const words = eventWords(event);
  const known = !alone && state.look?.servers.some((one) => pathOf(one) === event.subject);
  const subject = known ? button(event.subject, () => openServer(event.subject), "link") : el("span", alone ? "" : event.subject);
  return el("li", time, el("div", mark, " ", subject, words ? el("div.dim", words) : null));
}
