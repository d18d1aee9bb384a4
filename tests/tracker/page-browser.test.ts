import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Chromium, findChromium, startChromium, type Tab } from "../support/chromium.ts";
import {
  createTestTracker,
  eventually,
  type RunningTracker,
  startTracker,
} from "../support/tracker.ts";
import { type Api, announce, register } from "./api-cases.ts";

/** The page in a real browser, before a real tracker. A machine need not have one, so that this may be left out, which is said. */
const chromium = findChromium();
if (chromium === undefined) {
  process.stderr.write(
    "NOT TESTED: the tracker's page in a browser, as there is no Chromium here (install it, or set CHROMIUM to its path)\n",
  );
}

const TEST_TIMEOUT_MS = 120_000;
const LIVE = "document.getElementById('state').textContent === 'Live'";

describe.skipIf(chromium === undefined)("tracker page in Chromium", () => {
  let browser: Chromium;
  let tracker: RunningTracker;
  let api: Api;

  beforeAll(async () => {
    tracker = await startTracker({ db: ":memory:" });
    browser = await startChromium(chromium ?? "");
    api = {
      fetch: (path, init) => fetch(tracker.url + path, init),
      [Symbol.asyncDispose]: () => tracker[Symbol.asyncDispose](),
    };
  }, TEST_TIMEOUT_MS);

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await tracker?.[Symbol.asyncDispose]();
  });

  /** Opens the page in a tab of its own. */
  async function open(
    prepare: (tab: Tab) => Promise<unknown> = async () => {},
    path = "/",
    host = tracker.url,
  ): Promise<Tab> {
    const tab = await browser.openTab();
    await prepare(tab);
    await tab.call("Page.navigate", { url: host + path });
    await eventually(
      () => tab.events,
      (events) => events.some(({ method }) => method === "Page.loadEventFired"),
      TEST_TIMEOUT_MS,
    );
    return tab;
  }

  function waitFor(tab: Tab, expression: string): Promise<unknown> {
    return eventually(
      () => tab.evaluate(expression),
      (value) => value === true,
      60_000,
    );
  }

  function textOf(tab: Tab, id: string): Promise<unknown> {
    return tab.evaluate(`document.getElementById(${JSON.stringify(id)}).textContent`);
  }

  test(
    "shows new figures after announces, loads nothing from elsewhere, complains of nothing",
    async () => {
      const tab = await open();
      await waitFor(tab, LIVE);
      const before = Number(await textOf(tab, "swarms"));
      const hash = await register(api);
      for (let port = 1; port <= 20; port++) {
        await announce(api, hash, { listening_port: port, left: 1 });
      }
      await waitFor(tab, `document.getElementById("swarms").textContent === "${before + 1}"`);
      await waitFor(tab, `document.getElementById("announcesPerSecond").textContent !== "0"`);
      await waitFor(tab, `document.getElementById("chart-bars").getAttribute("d") !== ""`);
      expect(Number(await textOf(tab, "incomplete"))).toBeGreaterThanOrEqual(20);
      expect(await textOf(tab, "chart-text")).toMatch(/^In the last five minutes: \d+ announces/);
      expect(await textOf(tab, "chart-desc")).toBe(await textOf(tab, "chart-text"));
      expect(complaints(tab)).toEqual([]);
      expect(requested(tab)).toEqual(
        ["/", "/events", "/icon.svg", "/page.css", "/page.js"].map((path) => tracker.url + path),
      );
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "has a policy that keeps out what somebody might bring in, which another answer lets in",
    async () => {
      const elsewhere = JSON.stringify(`${tracker.url.replace("127.0.0.1", "localhost")}/ready`);
      const tries = [
        `fetch(${elsewhere}, { mode: "no-cors" }).then(() => "let in", () => "kept out")`,
        `{ const script = document.createElement("script");
           try { script.textContent = "globalThis.byScript = true"; document.body.append(script); } catch {}
           globalThis.byScript ? "let in" : "kept out" }`,
        `try { document.body.setAttribute("onclick", "globalThis.byHandler = true"); } catch {}
         document.body.click(); globalThis.byHandler ? "let in" : "kept out"`,
        `document.body.setAttribute("style", "color: rgb(1, 2, 3)");
         getComputedStyle(document.body).color === "rgb(1, 2, 3)" ? "let in" : "kept out"`,
      ];
      const tab = await open();
      for (const attempt of tries) {
        expect({ attempt, outcome: await tab.evaluate(attempt) }).toEqual({
          attempt,
          outcome: "kept out",
        });
      }
      // The control for the test before: the browser does complain, and it is heard.
      await eventually(
        () => complaints(tab).length,
        (count) => count >= tries.length,
      );
      const other = await open(undefined, "/stats");
      for (const attempt of tries) {
        expect({ attempt, outcome: await other.evaluate(attempt) }).toEqual({
          attempt,
          outcome: "let in",
        });
      }
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "shows the figures of the moment without JavaScript",
    async () => {
      const readStats = async () => Object(await (await api.fetch("/stats")).json());
      const before = await readStats();
      const hash = await register(api);
      await announce(api, hash, { left: 7 });
      const stats = await eventually(readStats, ({ swarms }) => swarms > before.swarms);
      const off = { value: true };
      const tab = await open((fresh) => fresh.call("Emulation.setScriptExecutionDisabled", off));
      const shown = await accessibleTexts(tab);
      expect(shown).toContain(String(stats.swarms));
      expect(shown).toContain(String(stats.complete + stats.incomplete));
      expect(shown).toContain("These are the figures of the moment when the page was loaded.");
      expect(shown).not.toContain("Pause");
      expect(requested(tab)).not.toContain(`${tracker.url}/events`);
      expect(complaints(tab)).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "tells assistive technology what is what",
    async () => {
      const tab = await open();
      await waitFor(tab, LIVE);
      const nodes = await accessibleNodes(tab);
      const names = (role: string): readonly string[] =>
        nodes.filter((node) => node.role === role).map(({ name }) => name);
      expect(names("RootWebArea")).toEqual(["Tracker"]);
      expect(names("main")).toHaveLength(1);
      expect(names("banner")).toHaveLength(1);
      expect(names("contentinfo")).toHaveLength(1);
      expect(names("heading")).toEqual(["Tracker", "Now", "Announces a second"]);
      expect(names("region")).toEqual(["Now", "Announces a second"]);
      expect(names("button")).toEqual(["Pause"]);
      expect(names("link")).toEqual(["The same figures as JSON"]);
      // The icon beside the name says nothing more; the chart has a name.
      expect(names("image")).toEqual(["Announces a second in the last five minutes"]);
      expect(names("term")).toHaveLength(5);
      expect(names("definition")).toHaveLength(5);
      expect(names("status")).toHaveLength(1);
      const live = await tab.evaluate(
        `[...document.querySelectorAll("[aria-live], [role=status], [role=alert]")].map(({ id }) => id).join()`,
      );
      expect(live).toBe("state");
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "is worked by keyboard: pauses, and goes on",
    async () => {
      const tab = await open();
      await waitFor(tab, LIVE);
      await tab.evaluate(`document.body.focus()`);
      await press(tab, "Tab", 9);
      expect(await tab.evaluate("document.activeElement.id")).toBe("pause");
      expect(await tab.evaluate(`getComputedStyle(document.activeElement).outlineStyle`)).toBe(
        "solid",
      );
      await press(tab, "Enter", 13);
      expect([await textOf(tab, "state"), await textOf(tab, "pause")]).toEqual(["Paused", "Go on"]);
      const uptime = await textOf(tab, "uptime");
      await press(tab, "Enter", 13);
      await waitFor(tab, LIVE);
      await waitFor(
        tab,
        `document.getElementById("uptime").textContent !== ${JSON.stringify(uptime)}`,
      );
    },
    TEST_TIMEOUT_MS,
  );

  test.each(["light", "dark"])(
    "has contrast enough in %s, and is drawn so",
    async (scheme) => {
      const features = [{ name: "prefers-color-scheme", value: scheme }];
      const tab = await open((fresh) => fresh.call("Emulation.setEmulatedMedia", { features }));
      await waitFor(tab, LIVE);
      const ground = String(await tab.evaluate("getComputedStyle(document.body).backgroundColor"));
      expect(luminance(ground) < 0.2).toBe(scheme === "dark");
      const colours = await tab.evaluate(TEXT_COLOURS);
      if (!Array.isArray(colours)) throw new Error("The page told no colours");
      expect(colours.length).toBeGreaterThan(15);
      for (const { text, ink, ground: behind } of colours) {
        const enough = contrast(ink, behind) >= 4.5;
        expect({ text, ink, behind, enough }).toEqual({ text, ink, behind, enough: true });
      }
      const { data } = await tab.call("Page.captureScreenshot", { format: "png" });
      expect(Buffer.from(String(data), "base64").length).toBeGreaterThan(5000);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "fits a narrow phone without scrolling sideways, and moves nothing for who wants it still",
    async () => {
      const size = { width: 320, height: 640, deviceScaleFactor: 2, mobile: true };
      const tab = await open(async (fresh) => {
        await fresh.call("Emulation.setDeviceMetricsOverride", size);
        const features = [{ name: "prefers-reduced-motion", value: "reduce" }];
        await fresh.call("Emulation.setEmulatedMedia", { features });
      });
      await waitFor(tab, LIVE);
      expect(await tab.evaluate("document.documentElement.scrollWidth")).toBe(320);
      const duration = `getComputedStyle(document.getElementById("share")).transitionDuration`;
      expect(await tab.evaluate(duration)).toBe("0s");
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "asks for the figures where there are no events, and for those alone",
    async () => {
      await using host = await createTestTracker();
      const tab = await open(undefined, "/", host.url);
      await waitFor(tab, "document.getElementById('state').textContent === 'Every 5 seconds'");
      await register({ ...api, fetch: (path, init) => fetch(host.url + path, init) });
      await waitFor(tab, `document.getElementById("swarms").textContent === "1"`);
      expect(requested(tab)).toEqual(
        ["/", "/icon.svg", "/page.css", "/page.js", "/stats"].map((path) => host.url + path),
      );
      expect(complaints(tab)).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "asks for the figures when it gets no events, and says so",
    async () => {
      const tab = await open((fresh) =>
        fresh.call("Network.setBlockedURLs", {
          urlPatterns: [{ urlPattern: "*://*:*/events", block: true }],
        }),
      );
      await waitFor(tab, "document.getElementById('state').textContent === 'Every 5 seconds'");
      expect(await tab.evaluate("document.getElementById('chart').hidden")).toBe(true);
      const before = Number(await textOf(tab, "swarms"));
      await register(api);
      await waitFor(tab, `document.getElementById("swarms").textContent === "${before + 1}"`);
      expect(requested(tab)).toContain(`${tracker.url}/stats`);
    },
    TEST_TIMEOUT_MS,
  );
});

/** What the browser found wrong with the page: errors, warnings, violations of its policy. */
function complaints(tab: Tab): readonly string[] {
  return tab.events
    .filter(({ method }) =>
      ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"].includes(method),
    )
    .map(({ params }) => JSON.stringify(params));
}

/** @returns each address the page asked for, once */
function requested(tab: Tab): readonly string[] {
  const urls = tab.events
    .filter(({ method }) => method === "Network.requestWillBeSent")
    .map(({ params }) => String(Object(params.request).url));
  return [...new Set(urls)].toSorted();
}

async function press(tab: Tab, key: string, windowsVirtualKeyCode: number): Promise<void> {
  const text = key === "Enter" ? { text: "\r" } : {};
  const stroke = { key, code: key, windowsVirtualKeyCode, ...text };
  await tab.call("Input.dispatchKeyEvent", { type: "keyDown", ...stroke });
  await tab.call("Input.dispatchKeyEvent", { type: "keyUp", ...stroke });
}

interface AccessibleNode {
  readonly role: string;
  readonly name: string;
}

async function accessibleNodes(tab: Tab): Promise<readonly AccessibleNode[]> {
  const { nodes } = await tab.call("Accessibility.getFullAXTree");
  if (!Array.isArray(nodes)) throw new Error("The page has no accessibility tree");
  return nodes
    .filter(({ ignored }) => !ignored)
    .map(({ role, name }) => ({
      role: String(role?.value ?? ""),
      name: String(name?.value ?? ""),
    }));
}

async function accessibleTexts(tab: Tab): Promise<readonly string[]> {
  const nodes = await accessibleNodes(tab);
  return nodes.filter(({ role }) => role === "StaticText").map(({ name }) => name.trim());
}

/** Each text that is to be seen, its colour, and the nearest colour behind it. */
const TEXT_COLOURS = `(() => {
  const colours = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const text = node.textContent.trim();
    const element = node.parentElement;
    if (text === "" || element.closest("svg, noscript, [hidden]") !== null) continue;
    let behind = element;
    while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    colours.push({ text, ink: getComputedStyle(element).color, ground: getComputedStyle(behind).backgroundColor });
  }
  return colours;
})()`;

/** As the guidelines for accessible content (WCAG) reckon it: 1 to 21. */
function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [...colour.matchAll(/\d+/g)].map(([digits]) => {
    const share = Number(digits) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
