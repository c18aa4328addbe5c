// Making and keeping elements. All that comes from lbd becomes text: never markup.

/** Moments that a sparkline shows, one a second. */
const KEPT = 300;

const $ = (id) => document.getElementById(id);

/** An element: `el("p.dim", "text", child)`. */
function el(what, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** The element with these attributes. */
function having(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function button(text, click, kind = "") {
  const node = having(el("button", text), { type: "button" });
  if (kind) node.className = kind;
  node.addEventListener("click", click);
  return node;
}

/** Sets a text only when it is another: what is the same keeps its selection, and no reader is told of it. */
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function show(node, is) {
  if (node.hidden === Boolean(is)) node.hidden = !is;
}

/** An icon and a word, so that no colour stands alone. */
function stateMark() {
  return el("span.state", having(el("span.icon"), { "aria-hidden": "true" }), el("span"));
}

function putState(node, [words, tone]) {
  const [icon, text] = node.children;
  put(icon, ICONS[tone]);
  put(text, words);
  for (const name of Object.keys(ICONS)) node.classList.toggle(`tone-${name}`, name === tone);
}

/** Makes the children of `parent` those of `items`, in their order; what is there already stays and is filled anew. */
function keyed(parent, items, key, make, fill = () => {}) {
  const kept = parent.kept ?? new Map();
  const wanted = new Map(items.map((item) => [key(item), item]));
  for (const [name, node] of kept) {
    if (!wanted.has(name)) {
      node.remove();
      kept.delete(name);
    }
  }
  let place = parent.firstElementChild;
  for (const [name, item] of wanted) {
    let node = kept.get(name);
    if (!node) {
      node = make(item);
      kept.set(name, node);
    }
    node.item = item;
    fill(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  parent.kept = kept;
}

function sparkline() {
  const shape = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const svg = having(shape("svg"), { class: "spark", viewBox: "0 0 100 22", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(shape("polygon"), shape("polyline"));
  return svg;
}

/** Draws the last minutes, the newest at the right; `least` is the smallest value that fills the height. */
function putSpark(svg, values, least) {
  const most = Math.max(least, ...values);
  const step = 100 / (Math.max(values.length, KEPT / 5) - 1);
  const from = 100 - step * (values.length - 1);
  const points = values.map((value, at) => `${(from + at * step).toFixed(1)},${(21 - (20 * value) / most).toFixed(1)}`);
  const [area, line] = svg.children;
  line.setAttribute("points", points.join(" "));
  area.setAttribute("points", points.length ? `${from.toFixed(1)},22 ${points.join(" ")} 100,22` : "");
}

/** Pairs of a name and a text, as a list of descriptions. */
function pairs(list, facts) {
  keyed(list, facts, ([name]) => name, ([name]) => el("div", el("dt", name), el("dd")), (node, [, text]) => put(node.lastChild, text));
}
