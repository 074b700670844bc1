"use strict";
// Fetches the overview every two seconds and shows it. Names come from clients: they are only ever set as text.

const EVERY = 2000, ROWS = 50, FIRST = ["cpus", "mem", "disk", "gpus"];
const by = id => document.getElementById(id);
let tag = null, paused = false, timer = null, token = sessionStorage.getItem("drf-token"), last = null;
const shown = {offers: 10, agents: ROWS};

const number = value => value === null ? "no bound" : new Intl.NumberFormat("en", value >= 1e6
  ? {notation: "compact", maximumFractionDigits: 1} : {maximumFractionDigits: 3}).format(value);
const percent = part => part === null ? "no bound" : `${(100 * part).toFixed(1)} %`;
const amounts = of => Object.entries(of).map(([name, value]) => `${name} ${number(value)}`).join(", ");
const time = now => now > 1e9 ? new Date(1000 * now).toLocaleTimeString() : `${number(now)} s`;

function make(kind, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...inside.filter(one => one !== null));
  return made;
}

function bar(held, offered, label) {
  const part = (name, of) => {
    const made = make("i", {className: name});
    made.style.width = `${Math.min(100, 100 * of)}%`;
    return made;
  };
  const made = make("div", {className: "bar"}, part("held", held), part("offered", offered));
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  return made;
}

function share(value) {
  return make("div", {className: "share"}, bar(value === null ? 1 : value, 0, percent(value)), make("span", {textContent: percent(value)}));
}

function names(all) {
  const found = [...new Set(all.flatMap(one => Object.keys(one.total)))];
  const place = name => FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
  return found.sort((a, b) => place(a) - place(b) || a.localeCompare(b)).slice(0, 6);
}

// Rows keep their identity, so that focus and scrolling stay where they are.
function fill(body, items, key, cells) {
  const old = new Map([...body.children].map(row => [row.dataset.key, row]));
  items.forEach((item, i) => {
    const name = String(key(item));
    const print = JSON.stringify(item);
    let row = old.get(name);
    old.delete(name);
    if (!row || row.dataset.print !== print) {
      const focused = row && row.contains(document.activeElement);
      const made = make("tr", {}, ...cells(item));
      made.dataset.key = name;
      made.dataset.print = print;
      if (row) row.replaceWith(made);
      row = made;
      if (focused) row.querySelector("button")?.focus();
    }
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
  });
  old.forEach(row => row.remove());
}

const cell = (text, small = null, className = "") =>
  make("td", {className}, text, small === null ? null : make("small", {textContent: small}));
const head = (text, small = null, tags = []) => {
  const made = make("th", {scope: "row"}, text, ...tags.map(one => make("span", {className: "tag", textContent: one})),
    small === null ? null : make("small", {textContent: small}));
  return made;
};

function framework(one) {
  const button = make("button", {type: "button", textContent: "Why?"});
  button.setAttribute("aria-label", `Why does ${one.name} see the offers it sees?`);
  button.addEventListener("click", () => why(one.name));
  const tags = [...(one.active ? [] : ["away"]), ...(one.suppressed.length ? ["suppressed"] : [])];
  return [head(one.name, one.roles.join(", "), tags), make("td", {}, share(one.share)), cell(number(one.waiting), null, "n"),
    make("td", {className: "n"}, button)];
}

function role(one) {
  const quota = [amounts(one.guarantees) && `at least ${amounts(one.guarantees)}`, amounts(one.limits) && `at most ${amounts(one.limits)}`];
  return [head(one.name), cell(number(one.weight), null, "n"), make("td", {}, one.share === null ? "" : share(one.share)),
    cell(quota.filter(Boolean).join("; "))];
}

function offer(one) {
  const more = [one.group ? `together with offer ${one.group}` : "", one.max_duration ? `for tasks of at most ${one.max_duration} s` : ""];
  return [cell(String(one.id), null, "n"), head(one.framework), cell(one.role), cell(one.agent),
    cell(amounts(one.resources), more.filter(Boolean).join("; ") || null), cell(one.expires === undefined ? "" : time(one.expires))];
}

function use(one, name) {
  const total = one.total[name] || 0, held = one.held[name] || 0, offered = one.offered[name] || 0;
  return {total, held, offered, part: total ? held / total : held ? 1 : 0, out: total ? offered / total : offered ? 1 : 0};
}

function agent(one, columns) {
  const facts = Object.entries(one.attributes).map(([name, value]) => `${name}=${value}`).join(", ");
  const tags = [...(one.active ? [] : ["deactivated"]), ...(one.unavailability ? ["maintenance"] : [])];
  return [head(one.name, facts || null, tags), ...columns.map(name => {
    const {total, held, offered, part, out} = use(one, name);
    if (!total && !held && !offered) return make("td");
    const text = `${number(held + offered)} / ${number(total)}`;
    return make("td", {}, text, bar(part, out, `${name}: ${number(held)} held and ${number(offered)} offered of ${number(total)}`));
  })];
}

function map(agents, columns) {
  by("map").replaceChildren(...agents.map(one => {
    const made = make("i", {className: one.active ? "" : "off", title: one.name});
    let most = {part: 0, out: 0};
    for (const name of columns) {
      const used = use(one, name);
      if (used.part + used.out > most.part + most.out) most = used;
    }
    made.style.setProperty("--held-to", `${Math.min(100, 100 * most.part)}%`);
    made.style.setProperty("--out-to", `${Math.min(100, 100 * (most.part + most.out))}%`);
    return made;
  }));
}

function more(which, count) {
  const button = by(`${which}-more`), left = count - shown[which];
  button.hidden = left <= 0;
  button.textContent = left > 4 * ROWS ? `Show ${4 * ROWS} more of ${left}` : `Show the other ${left}`;
}

function show() {
  const now = last;
  by("facts").textContent = `policy ${now.policy} · ${number(now.events)} events · time ${time(now.now)}`;
  const empty = !now.agents.length && !now.frameworks.length;
  by("empty").hidden = !empty;
  by("all").hidden = empty;
  if (empty) return;
  const columns = names(now.agents);
  by("cluster").replaceChildren(...columns.map(name => {
    const sum = {total: 0, held: 0, offered: 0};
    for (const one of now.agents) for (const key in sum) sum[key] += one[key][name] || 0;
    const out = sum.total ? (sum.held + sum.offered) / sum.total : 0;
    return make("li", {}, make("b", {}, name, make("span", {textContent: percent(out)})),
      bar(sum.total ? sum.held / sum.total : 0, sum.total ? sum.offered / sum.total : 0, `${name}: ${percent(out)} in use`),
      make("small", {textContent: `${number(sum.held)} held, ${number(sum.offered)} offered of ${number(sum.total)}`}));
  }));
  for (const which of ["frameworks", "roles", "offers", "agents"]) by(`${which}-count`).textContent = number(now[which].length);
  fill(by("frameworks-rows"), now.frameworks, one => one.name, framework);
  fill(by("roles-rows"), now.roles, one => one.name, role);
  by("offers-none").hidden = now.offers.length > 0;
  by("offers-table").hidden = !now.offers.length;
  fill(by("offers-rows"), now.offers.slice(0, shown.offers), one => one.id, offer);
  more("offers", now.offers.length);
  const sought = by("find").value.trim().toLowerCase();
  const found = now.agents.filter(one => !sought || JSON.stringify([one.name, one.hostname, one.attributes]).toLowerCase().includes(sought));
  by("agents-count").textContent = sought ? `${number(found.length)} of ${number(now.agents.length)}` : number(now.agents.length);
  by("agents-head").replaceChildren(...["Agent", ...columns].map(name => make("th", {scope: "col", textContent: name})));
  map(found, columns);
  fill(by("agents-rows"), found.slice(0, shown.agents), one => one.name, one => agent(one, columns));
  more("agents", found.length);
}

function say(text, kind = "") {
  if (by("said").textContent !== text) by("said").textContent = text;
  by("state").className = `state ${kind}`;
}

async function get(path, headers = {}) {
  return fetch(path, {cache: "no-store", headers: token ? {...headers, Authorization: `Bearer ${token}`} : headers});
}

async function refresh() {
  clearTimeout(timer);
  if (paused) return;
  try {
    const answer = await get("v1/overview", tag ? {"If-None-Match": tag} : {});
    if (answer.status === 401) return demand();
    if (answer.status === 200) {
      last = await answer.json();
      tag = answer.headers.get("ETag");
      show();
    } else if (answer.status !== 304) {
      throw new Error((await answer.json()).error.message);
    }
    say("Live", "good");
  } catch (error) {
    say(error instanceof TypeError ? "The server does not answer" : error.message, "bad");
  }
  timer = setTimeout(refresh, EVERY);
}

function demand() {
  by("wrong").textContent = token ? "This is not the token." : "";
  token = null;
  sessionStorage.removeItem("drf-token");
  by("token").hidden = false;
  by("all").hidden = by("empty").hidden = true;
  say("Locked");
  by("word").focus();
}

async function why(name, change = false) {
  by("why-head").textContent = name;
  by("why-text").textContent = "Asking";
  by("why-change").hidden = change;
  by("why-change").onclick = () => why(name, true);
  if (!by("why").open) by("why").showModal();
  let text;
  try {
    const answer = await get(`v1/why?framework=${encodeURIComponent(name)}&change=${change}`);
    const found = await answer.json();
    text = answer.ok ? found.text : found.error.message;
  } catch {
    text = "The server does not answer";
  }
  if (by("why-head").textContent === name) by("why-text").textContent = text;
}

by("token").addEventListener("submit", event => {
  event.preventDefault();
  token = by("word").value.trim();
  sessionStorage.setItem("drf-token", token);
  by("token").hidden = true;
  by("word").value = "";
  tag = null;
  refresh();
});
by("pause").addEventListener("click", () => {
  paused = !paused;
  by("pause").setAttribute("aria-pressed", String(paused));
  by("pause").textContent = paused ? "Go on" : "Pause";
  say(paused ? "Paused" : "Loading");
  refresh();
});
by("find").addEventListener("input", () => last && show());
for (const which of ["offers", "agents"]) {
  by(`${which}-more`).addEventListener("click", () => { shown[which] += 4 * ROWS; show(); });
}
document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : refresh());
by("example").textContent = `curl -H 'Content-Type: application/json' ${location.origin}/v1/add_agent \\
  -d '{"name": "m1", "resources": {"cpus": 8, "mem": 16384}}'
curl -H 'Content-Type: application/json' ${location.origin}/v1/add_framework \\
  -d '{"name": "spark", "roles": ["analytics"]}'`;
refresh();
