// The ladder and the position of a grid trader, and the few ways in which anything is put on the page.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 400;

const byId = (id) => document.getElementById(id);

export function setText(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

export function element(kind, text = "", name = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  if (name !== "") made.className = name;
  return made;
}

export function cells(...texts) {
  const line = document.createElement("tr");
  line.append(...texts.map((text) => element("td", String(text))));
  return line;
}

export function drawTrader(position, slots) {
  byId("trader").hidden = position === null;
  if (position === null) return;
  setText(byId("symbol"), position.symbol);
  drawBreaker(position.breaker);
  drawAlarms(position);
  drawInterval(position);
  drawFigures(position);
  drawLadder(slots);
}

function drawBreaker(breaker) {
  byId("breaker").className = breaker.open ? "open" : "";
  setText(
    byId("breaker"),
    breaker.open
      ? `Trading is halted since ${moment(breaker.opened_ms)}: ${breaker.reason}`
      : `Trading is not halted (it was ${breaker.trips} times)`,
  );
}

function drawAlarms(position) {
  const lines = position.alarms.map((each) =>
    element("li", `${each.kind} since ${moment(each.since_ms)}: ${each.why}`),
  );
  if (position.more_alarms > 0) lines.push(element("li", `and ${position.more_alarms} more`));
  byId("alarms").replaceChildren(...lines);
}

function drawInterval(position) {
  const [lowest, held, highest] = ["lowest", "held", "highest"].map((name) => Number(position[name]));
  const room = (highest - lowest) * 0.1 || Math.abs(held) * 0.1 || 1;
  const place = (value) => String(((value - lowest + room) / (highest - lowest + 2 * room)) * WIDTH);
  const line = document.createElementNS(SVG, "line");
  for (const [name, value] of [["x1", place(lowest)], ["x2", place(highest)], ["y1", "20"], ["y2", "20"]]) {
    line.setAttribute(name, value);
  }
  const dot = document.createElementNS(SVG, "circle");
  for (const [name, value] of [["cx", place(held)], ["cy", "20"], ["r", "6"]]) dot.setAttribute(name, value);
  byId("interval").replaceChildren(line, dot);
}

function drawFigures(position) {
  const figures = [
    ["held", position.held],
    ["at the venue, as far as the orders tell", `${position.lowest} to ${position.highest}`],
    ["in slots", position.slots],
    ["beside them", position.beside],
    ["orders at work", position.working],
    ["profit", position.profit],
    ["agreed exactly", position.agreed_ms === null ? "never" : moment(position.agreed_ms)],
  ];
  byId("position").replaceChildren(
    ...figures.map(([name, value]) => {
      const figure = document.createElement("div");
      figure.append(element("dt", name), element("dd", String(value)));
      return figure;
    }),
  );
}

function drawLadder(slots) {
  const known = slots.filter((slot) => slot !== undefined);
  const busy = known.filter((slot) => slot.order !== null || Number(slot.position) !== 0 || slot.fills.length > 0);
  busy.sort((a, b) => Number(b.price) - Number(a.price));
  byId("ladder")
    .querySelector("tbody")
    .replaceChildren(
      ...busy.map((slot) => {
        const line = cells(slot.price, slot.position, "", "");
        if (slot.order !== null) line.children[2].append(order(slot.order));
        slot.fills.forEach((fill) => line.children[3].append(filled(fill)));
        return line;
      }),
    );
  setText(byId("empty"), known.length > busy.length ? `${known.length - busy.length} slots are empty` : "");
}

function order(each) {
  const cancel = each.cancel ? ", to be cancelled" : "";
  return element("div", `${each.side} ${each.filled}/${each.quantity} at ${each.price} ${each.status}${cancel}`, each.side);
}

function filled(each) {
  return element("div", `${each.side} ${each.filled} ${moment(each.ms)}`, each.side);
}

function moment(ms) {
  const when = new Date(ms);
  return Number.isNaN(when.getTime()) ? "?" : when.toISOString().replace("T", " ").slice(0, 19);
}
