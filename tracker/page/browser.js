// Brings the page up to date: once a second by events, every few seconds by asking where there are none.

/** @typedef {{ swarms: number, complete: number, incomplete: number, announces: number, announcesPerSecond: number,
 *   uptimeSeconds: number, version: string, chart?: { path: string, top: string, text: string } }} News */

const POLL_MS = 5000;
/** After so long without news, events that pass some proxy by are given up. */
const SILENCE_MS = 15_000;
/** How long it asks before it tries events again. */
const EVENTS_AGAIN_MS = 60_000;

const number = new Intl.NumberFormat("en-GB");

/** @type {EventSource | undefined} */
let events;
/** The one thing that is waited for. @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** Counts up when what is under way is not wanted any more. */
let round = 0;
let isPaused = false;

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no ${id}`);
  return found;
}

/** Only what changed is touched, so that nothing is announced or painted twice.
 * @param {string} id @param {string} text */
function write(id, text) {
  const place = document.getElementById(id);
  if (place !== null && place.textContent !== text) place.textContent = text;
}

/** @param {string} text @param {boolean} isLive */
function showState(text, isLive) {
  write("state", text);
  element("state").classList.toggle("live", isLive);
}

/** @param {number} seconds */
function formatDuration(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes < 1) return `${seconds} s`;
  if (hours < 1) return `${minutes} min ${seconds % 60} s`;
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${number.format(Math.floor(hours / 24))} d ${hours % 24} h`;
}

/** @param {News} news */
function show(news) {
  const peers = news.complete + news.incomplete;
  write("peers", number.format(peers));
  write("complete", number.format(news.complete));
  write("incomplete", number.format(news.incomplete));
  write("swarms", number.format(news.swarms));
  write("announces", number.format(news.announces));
  write("announcesPerSecond", number.format(news.announcesPerSecond));
  write("uptime", formatDuration(news.uptimeSeconds));
  write("version", news.version);
  element("share").setAttribute("width", String(peers === 0 ? 0 : (100 * news.complete) / peers));
  showChart(news.chart);
}

/** Without events it would stand still, so it is not shown then.
 * @param {News["chart"]} chart */
function showChart(chart) {
  const place = document.getElementById("chart");
  if (place === null) return;
  place.hidden = chart === undefined;
  if (chart === undefined) return;
  element("chart-bars").setAttribute("d", chart.path);
  write("chart-top", chart.top);
  write("chart-desc", chart.text);
  write("chart-text", chart.text);
}

function stop() {
  round++;
  events?.close();
  events = undefined;
  clearTimeout(timer);
}

function listen() {
  stop();
  const source = new EventSource("/events");
  events = source;
  waitForNews();
  source.onmessage = ({ data }) => {
    waitForNews();
    showState("Live", true);
    show(JSON.parse(data));
  };
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) void poll(EVENTS_AGAIN_MS);
    else showState("No connection, trying again", false);
  };
}

function waitForNews() {
  clearTimeout(timer);
  timer = setTimeout(() => poll(EVENTS_AGAIN_MS), SILENCE_MS);
}

/** @param {number} leftMs how long before events are tried again; for ever where there are none */
async function poll(leftMs) {
  stop();
  const asked = round;
  try {
    const answer = await fetch("/stats", { cache: "no-store" });
    if (!answer.ok) throw new Error(`Status ${answer.status}`);
    const news = await answer.json();
    if (asked !== round) return;
    showState("Every 5 seconds", true);
    show(news);
  } catch {
    if (asked !== round) return;
    showState("No connection, trying again", false);
  }
  timer = setTimeout(() => (leftMs > 0 ? poll(leftMs - POLL_MS) : listen()), POLL_MS);
}

/** A page that nobody sees takes nobody's place. */
function goOn() {
  if (isPaused || document.hidden) {
    stop();
    if (isPaused) showState("Paused", false);
  } else if (document.body.dataset.news === "asked") {
    void poll(Number.POSITIVE_INFINITY);
  } else {
    listen();
  }
}

element("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  write("pause", isPaused ? "Go on" : "Pause");
  goOn();
});
document.addEventListener("visibilitychange", goOn);
addEventListener("pagehide", stop);
addEventListener("pageshow", ({ persisted }) => persisted && goOn());

element("state").hidden = false;
element("pause").hidden = false;
showState("Connecting", false);
goOn();
