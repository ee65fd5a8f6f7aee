// What stands on the page: all of it is set as text, and none of it is made of anything else.
import { cells, drawTrader, element, setText } from "./ladder.js";

const SILENCE = 12_000; // a server that has nothing to say says so every five seconds
const PAUSE = 1_000;
const LONGEST = 8_000;

const byId = (id) => document.getElementById(id);
const body = (id) => byId(id).querySelector("tbody");
const order = new Intl.Collator("en", { numeric: true });
const compare = (a, b) => order.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);

let source = null;
let silence = null;
let waiting = false; // until it connects anew
let pause = PAUSE; // before that: longer each time, for others wait too
let board = null; // the number of the board that is shown, and its newest version and so on
let names = []; // in the order in which they stand
let rows = new Map(); // name -> { line, slot }
let changed = [];

// The connection

function connect() {
  source = new EventSource("/events");
  source.onmessage = (event) => {
    heard();
    take(JSON.parse(event.data));
  };
  source.addEventListener("beat", heard);
  source.onerror = () => {
    lost();
    // It connects anew by itself, unless the answer was another one than it can read.
    if (source.readyState === EventSource.CLOSED) again();
  };
  watch();
}

function watch() {
  clearTimeout(silence);
  silence = setTimeout(again, SILENCE);
}

function heard() {
  pause = PAUSE;
  byId("link").className = "live";
  setText(byId("link"), "live");
  watch();
}

function lost() {
  byId("link").className = "lost";
  setText(byId("link"), "not connected; what is shown is old");
}

function again() {
  if (waiting) return;
  waiting = true;
  source.close();
  clearTimeout(silence);
  lost();
  setTimeout(async () => {
    try {
      const answer = await fetch("/", { method: "HEAD" });
      if (answer.status === 401) location.reload(); // there is another token now
    } catch {
      // nobody is there yet
    }
    waiting = false;
    connect();
  }, pause * (0.5 + Math.random()));
  pause = Math.min(2 * pause, LONGEST);
}

// What comes

function take(message) {
  if (message.kind === "state") {
    begin(message.rows);
  } else if (board === null || message.from !== board.to) {
    board = null; // something was missed: nothing is guessed
    again();
    return;
  } else {
    for (const line of changed) line.classList.remove("changed");
    changed = [];
    message.drop.forEach(drop);
    message.put.forEach(put);
  }
  board = message;
  drawHead();
  drawTrader(message.position, [...rows.values()].map((row) => row.slot));
  drawSlider(message.kind === "state");
  document.body.dataset.shown = message.version;
}

function begin(all) {
  all.sort((a, b) => compare(a[0], b[0]));
  names = all.map((each) => each[0]);
  rows = new Map();
  changed = [];
  const lines = all.map(([name, text, slot]) => {
    const line = cells(name, text);
    rows.set(name, { line, slot });
    return line;
  });
  body("rows").replaceChildren(...lines);
}

function put([name, text, slot]) {
  const row = rows.get(name);
  let line;
  if (row === undefined) {
    line = cells(name, text);
    const place = placeOf(name);
    const next = rows.get(names[place]);
    body("rows").insertBefore(line, next === undefined ? null : next.line);
    names.splice(place, 0, name);
  } else {
    line = row.line;
    setText(line.lastChild, text);
  }
  rows.set(name, { line, slot });
  line.classList.add("changed");
  changed.push(line);
}

function drop(name) {
  const row = rows.get(name);
  if (row === undefined) return;
  row.line.remove();
  rows.delete(name);
  names.splice(placeOf(name), 1);
}

function placeOf(name) {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(names[middle], name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

// What is shown beside the records

function drawHead() {
  setText(byId("name"), board.name);
  document.title = board.name;
  setText(byId("version"), String(board.version));
  setText(byId("records"), String(board.records));
  setText(byId("rate"), board.rate.toFixed(1));
  setText(byId("lag"), board.lag === null ? "-" : `${board.lag.toFixed(3)} s`);
  setText(byId("kept"), `${board.version - board.oldest} (from ${board.oldest})`);
  setText(byId("meta"), board.meta || "none");
  setText(byId("part"), rows.size < board.records ? `the first ${rows.size} of ${board.records}` : "");
  byId("trouble").hidden = board.trouble === "";
  setText(byId("trouble"), board.trouble);
  for (const old of document.querySelectorAll("#figures .total")) old.remove();
  for (const [name, value] of board.totals) {
    const total = element("div", "", "total");
    total.append(element("dt", name), element("dd", value));
    byId("figures").append(total);
  }
  body("commits").replaceChildren(
    ...board.commits.map((each) => cells(each.version, day(each.time), each.keys, each.who)),
  );
}

function day(seconds) {
  const when = new Date(seconds === null ? NaN : seconds * 1000);
  return Number.isNaN(when.getTime()) ? "?" : when.toISOString().replace("T", " ").slice(0, -1);
}

// The past

let asked = null; // what is asked for now, to be called off when another version is
let shown = null;

function drawSlider(anew) {
  const at = byId("at");
  const first = Math.min(board.oldest + 1, board.version);
  const chosen = anew && shown === null ? board.version : Number(at.value);
  at.min = String(first);
  at.max = String(board.version);
  at.value = String(byId("follow").checked ? board.version : chosen);
  if (anew || Number(at.value) !== shown) ask();
}

function ask() {
  const version = Number(byId("at").value);
  shown = version;
  if (asked !== null) asked.again = true;
  else void answer(version);
}

// One question at a time: however fast it is slid, what is asked next is what is chosen then.
async function answer(version) {
  asked = { again: false };
  try {
    const answered = await fetch(`/version?version=${version}`);
    drawVersion(version, await answered.json());
  } catch {
    setText(byId("about"), `version ${version} cannot be asked for now`);
  }
  const again = asked.again;
  asked = null;
  if (again) void answer(Number(byId("at").value));
}

function drawVersion(version, told) {
  if (told.error !== undefined) {
    setText(byId("about"), version === 0 ? "nothing was written yet" : told.error);
    body("changes").replaceChildren();
  } else {
    const more = told.more > 0 ? `, ${told.more} more than are shown` : "";
    setText(
      byId("about"),
      `version ${version}, ${day(told.time)}, by ${told.who}: ${told.keys} keys${more}`,
    );
    const lines = told.changes.map((each) => cells(each.key, each.old ?? "-", each.new ?? "-"));
    if (told.meta !== null) lines.push(cells("(meta)", told.meta.old ?? "-", told.meta.new ?? "-"));
    body("changes").replaceChildren(...lines);
  }
  byId("changes").dataset.version = version;
}

function step(by) {
  byId("follow").checked = false;
  byId("at").value = String(Number(byId("at").value) + by);
  ask();
}

byId("at").addEventListener("input", () => {
  byId("follow").checked = false;
  ask();
});
byId("follow").addEventListener("change", () => board !== null && drawSlider(false));
byId("earlier").addEventListener("click", () => step(-1));
byId("later").addEventListener("click", () => step(1));

connect();
