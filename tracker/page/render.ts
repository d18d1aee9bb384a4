import { CHART_HEIGHT, CHART_WIDTH, type Chart } from "./chart.ts";
import { type Figures, formatDuration, formatNumber, percentComplete } from "./figures.ts";

/** Writes the page as it stands now: all that it says, it says without its script, which only brings it up to date.
 * @param chart undefined where there are no events: the script asks for the figures then */
export function renderPage(figures: Figures, chart: Chart | undefined): string {
  return `<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="What this tracker does at the moment.">
<title>Tracker</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
</head>
<body${chart === undefined ? ' data-news="asked"' : ""}>
<header>
<h1><img src="/icon.svg" alt="" width="28" height="28">Tracker</h1>
<p id="state" role="status" hidden></p>
<button id="pause" type="button" hidden>Pause</button>
</header>
<main>
<p class="lede">Introduces peers that have a file to peers that want it. The file itself does not pass through here.</p>
${renderFigures(figures)}
${chart === undefined ? "" : renderChart(chart)}
<noscript><p class="note">These are the figures of the moment when the page was loaded.</p></noscript>
</main>
<footer>
<p>Version <span id="version">${escapeHtml(figures.version)}</span></p>
<p><a href="/stats">The same figures as JSON</a></p>
</footer>
</body>
</html>
`;
}

function renderFigures(figures: Figures): string {
  const { swarms, complete, incomplete, announces, announcesPerSecond, uptimeSeconds } = figures;
  return `<section aria-labelledby="now">
<h2 id="now">Now</h2>
<dl>
<div class="wide"><dt>Peers</dt><dd><b id="peers">${formatNumber(complete + incomplete)}</b>
<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect class="rest" width="100" height="1"/><rect id="share" class="part" width="${percentComplete(figures) ?? 0}" height="1"/></svg>
<span class="parts"><span><i class="key part"></i><span id="complete">${formatNumber(complete)}</span> complete</span> <span><i class="key rest"></i><span id="incomplete">${formatNumber(incomplete)}</span> incomplete</span></span></dd></div>
<div><dt>Swarms</dt><dd><b id="swarms">${formatNumber(swarms)}</b></dd></div>
<div><dt>Announces a second</dt><dd><b id="announcesPerSecond">${formatNumber(announcesPerSecond)}</b></dd></div>
<div><dt>Announces in all</dt><dd><b id="announces">${formatNumber(announces)}</b></dd></div>
<div><dt>Up for</dt><dd><b id="uptime">${escapeHtml(formatDuration(uptimeSeconds))}</b></dd></div>
</dl>
</section>`;
}

function renderChart({ path, top, text }: Chart): string {
  return `<section id="chart" aria-labelledby="chart-heading">
<h2 id="chart-heading">Announces a second</h2>
<figure>
<p class="scale" aria-hidden="true"><span id="chart-top">${escapeHtml(top)}</span></p>
<svg viewBox="0 0 ${CHART_WIDTH} ${CHART_HEIGHT}" preserveAspectRatio="none" role="img" aria-labelledby="chart-title" aria-describedby="chart-desc">
<title id="chart-title">Announces a second in the last five minutes</title>
<desc id="chart-desc">${escapeHtml(text)}</desc>
<path class="grid" d="M0 0H${CHART_WIDTH}M0 ${CHART_HEIGHT / 2}H${CHART_WIDTH}"/>
<path id="chart-bars" d="${escapeHtml(path)}"/>
<path class="base" d="M0 ${CHART_HEIGHT}H${CHART_WIDTH}"/>
</svg>
<p class="scale" aria-hidden="true"><span>5 minutes ago</span><span>now</span></p>
<figcaption id="chart-text">${escapeHtml(text)}</figcaption>
</figure>
</section>`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? "");
}
