// Debian's Chromium for the tests of the page, and what they all want to know of it.
import { chromium } from 'playwright-core';

export const digits = (text) => Number(text.replace(/[^0-9.-]/g, ''));
export const launch = () => chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

// Tries `check` until it throws no more; then the last error is the test's.
export async function eventually(what, check, patience_ms = 15_000) {
  const end = Date.now() + patience_ms;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw new Error(`${what}: ${error.message}`);
      await new Promise((go) => setTimeout(go, 100));
    }
  }
}

// The page at `url`, ready. `complaints` takes errors of its scripts and of its console, and
// every request that went elsewhere. `before` runs in it before its own scripts.
export async function open(browser, url, options, complaints, before = () => {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  await context.addInitScript(before);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (to.protocol !== 'data:' && to.host !== new URL(url).host) complaints.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  await page.waitForSelector('body[data-ready]');
  return page;
}

export const text = (page, selector) => page.locator(selector).textContent();
export const api = (page, path) => page.evaluate(async (p) => (await fetch('/api/v1' + p)).json(), path);
