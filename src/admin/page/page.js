// The page itself: what it knows, how it hears of news, and its keys.

const EVENTS_KEPT = 1000;
/** Until a hidden page stops listening, in ms. */
const HIDDEN = 60000;
/** Between two announcements for who listens, in ms. */
const CALM = 4000;

const state = {
  look: null, about: {}, past: new Map(), events: [], routes: [], certificates: [], generations: [], report: null,
  filter: "", whole: new Set(), token: null, source: null, heard: 0, began: null, asked: "", timer: null,
};

async function ask(method, path, body) {
  const headers = {};
  if (state.token) headers.authorization = `Bearer ${state.token}`;
  if (body) headers["content-type"] = "application/json";
  const reply = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  const answer = await reply.json().catch(() => ({}));
  if (!reply.ok) throw { help: [], ...answer, detail: answer.detail ?? `lbd answered ${reply.status}` };
  return answer;
}

function draw() {
  if (!state.look) return;
  const some = chosen();
  const all = problems();
  drawTop(all);
  drawAttention(all);
  drawFound(some);
  drawEntry(some);
  drawPools(some);
  drawConfig();
  drawCertificates();
  drawEvents(some);
  drawServer();
  drawRights();
}

function rightsWords() {
  return {
    here: "Read-only until changes are unlocked with the token.",
    elsewhere: "Read-only from here: changes are taken from lbd's own machine alone, by an SSH tunnel or a TLS listener.",
  }[state.about.operate] ?? "Read-only: “operate” in “status” lets servers be drained here; lbctl does it always.";
}

function drawRights() {
  show($("unlock"), state.about.operate === "here");
  put($("unlock"), state.token ? "Lock changes" : "Unlock changes");
  put($("rights"), state.token ? "Changes are unlocked; they are logged as made by “page”." : rightsWords());
}

/** What is not in every look is asked for when it may have changed. */
async function askMore() {
  const { config } = state.look.status;
  const key = [state.look.instance, config.generation, config.rejected?.at, config.rejected?.attempts, config.warnings?.length, config.pinned?.generation].join();
  if (key === state.asked) return;
  state.asked = key;
  try {
    [state.routes, state.certificates, state.generations, state.report] = await Promise.all(
      ["v1/routes", "v1/certificates", "v1/config/generations", "v1/config/report"].map((path) => ask("GET", path)));
    draw();
  } catch {
    state.asked = "";
  }
}

function takeLook(look) {
  const before = state.look;
  if (before && before.status.lbd !== look.status.lbd && !document.querySelector("dialog[open]")) return location.reload();
  if (before && before.instance !== look.instance && state.fresh) state.events = [];
  state.look = look;
  state.heard = Date.now();
  for (const pool of look.status.pools) remember(pool);
  found();
  if (before) announce(before.servers, look.servers);
  askMore();
  draw();
}

function remember(pool) {
  const past = state.past.get(pool.name) ?? { rate: [], p99: [], errors: [] };
  const keep = (list, value) => {
    list.push(value);
    list.splice(0, list.length - KEPT);
  };
  keep(past.rate, pool.rate ?? 0);
  keep(past.p99, pool.p99_us ?? 0);
  keep(past.errors, (pool.error_share ?? 0) * 100);
  state.past.set(pool.name, past);
}

/** Tells who listens which servers changed: a few at a time, in one sentence. */
const news = [];
function announce(before, now) {
  const short = (one) => `${one.health.state} ${one.admin.state} ${one.ejected_ms !== undefined}`;
  const known = new Map(before.map((one) => [pathOf(one), short(one)]));
  for (const one of now) {
    const path = pathOf(one);
    if (known.has(path) && known.get(path) !== short(one)) news.push(`${path} is ${serverState(one)[0]}`);
  }
  if (!news.length || state.timer) return;
  state.timer = setTimeout(() => {
    state.timer = null;
    put($("said"), news.length > 3 ? `${news.length} servers have changed` : news.join("; "));
    news.length = 0;
  }, Math.max(0, CALM - (Date.now() - (state.announced ?? 0))));
  state.announced = Date.now();
}

/** What is still shown may be wrong by now: nothing says that all is well. */
function lost(words) {
  putState($("verdict"), ["no answer", "bad"]);
  document.title = "✗ no answer – lbd";
  put($("lost"), words);
  show($("lost"), true);
  document.documentElement.classList.add("stale");
}

function found() {
  show($("lost"), false);
  document.documentElement.classList.remove("stale");
}

function listen() {
  const source = new EventSource("events");
  const on = (name, take) => source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  state.source = source;
  state.began = Date.now();
  state.fresh = true;
  on("about", (about) => { state.about = about; });
  on("past", (pools) => {
    state.past = new Map(pools.map((one) => [one.pool, { rate: one.rate, p99: one.p99_us, errors: one.error_percent }]));
  });
  on("events", (events) => {
    state.events = (state.fresh ? events : [...state.events, ...events]).slice(-EVENTS_KEPT);
    state.fresh = false;
  });
  on("look", takeLook);
  source.addEventListener("error", () => again(source));
}

/** Ends a stream that has ended or tells nothing, and begins another one soon. */
async function again(source) {
  if (state.source !== source) return;
  source.close();
  state.source = null;
  const answers = await ask("GET", "v1").then(() => true, () => false);
  const of = state.look ? ` What is shown is of ${clock(state.look.at)}.` : "";
  lost(answers ? `lbd has no place for one more page now.${of} Trying again.` : `lbd does not answer.${of} Trying again.`);
  setTimeout(() => { if (!state.source && !document.hidden) listen(); }, 2000);
}

/** A process that stands still keeps its connections open. */
setInterval(() => {
  const quiet = Date.now() - Math.max(state.heard, state.began ?? 0);
  if (state.source && quiet > 6000) lost(`lbd has told nothing for ${span(quiet)}. Trying again.`);
  if (state.source && quiet > 15000) again(state.source);
}, 1000);

let hiding;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (!document.hidden && !state.source) listen();
  if (document.hidden) {
    hiding = setTimeout(() => {
      state.source?.close();
      state.source = null;
    }, HIDDEN);
  }
});

function goToPool(name) {
  if (state.filter) filter("");
  const node = [...$("pool-list").children].find((one) => one.item.pool.name === name);
  node?.scrollIntoView({ block: "start" });
  node?.focus({ preventScroll: true });
}

function filter(text) {
  state.filter = text;
  if ($("search").value !== text) $("search").value = text;
  draw();
}

$("search").addEventListener("input", (event) => filter(event.target.value));
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    $("search").focus();
  } else if (event.key === "Escape" && state.filter && !document.querySelector("dialog[open]")) {
    filter("");
  }
});

const THEMES = ["auto", "light", "dark"];
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  put($("theme"), `Theme: ${theme}`);
  try {
    localStorage.setItem("lbd-theme", theme);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}
$("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]));
let theme = "auto";
try {
  theme = localStorage.getItem("lbd-theme") ?? theme;
} catch {
  // As above.
}
setTheme(THEMES.includes(theme) ? theme : "auto");

$("unlock").addEventListener("click", () => {
  if (!state.token) return openToken();
  state.token = null;
  draw();
});
$("entry").open = matchMedia("(min-width: 1000px)").matches;
listen();
