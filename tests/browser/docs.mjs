// Tests the documentation page in a real browser, under its strict content security policy: it shows
// the 17 operations in three groups, "Try it out" works, and no request goes to another origin.
//
// Usage: node docs.mjs URL SCREENSHOT.png

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

// Installed in NODE_PATH, under target/. ES modules do not search there by default.
const { chromium } = createRequire(`${process.env.NODE_PATH}/`)('playwright-core');

const [url, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', // as root, in CI
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
try {
  const page = await browser.newPage({ viewport: { width: 1100, height: 1000 } });
  const errors = [];
  const foreignRequests = [];
  page.on('console', (message) => {
    // One of the steps below causes a 400, which the browser reports as an error.
    if (message.type() === 'error' && !message.text().includes('status of 400')) errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) foreignRequests.push(request.url());
  });
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
      globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });

  const response = await page.goto(`${url}/api/docs`);
  const policy = response.headers()['content-security-policy'];
  assert.match(policy, /script-src 'self'(;|$)/, 'the policy is strict');
  await page.waitForSelector('.opblock');
  assert.equal(await page.locator('.opblock').count(), 17, 'operations');
  const groups = await page.locator('.opblock-tag').evaluateAll((tags) => tags.map((tag) => tag.dataset.tag));
  assert.deepEqual(groups, ['Users', 'Products', 'Cart']);
  console.log('17 operations in three groups');
  await page.screenshot({ path: screenshot });

  /** Executes one operation with "Try it out". Returns the status and the body that the page shows. */
  const tryOut = async (id, { body, parameters = {} } = {}) => {
    const block = page.locator(`[id$="-${id}"]`);
    if (!(await block.locator('.opblock-body').isVisible())) await block.locator('.opblock-summary').click();
    const button = block.locator('.try-out__btn:not(.cancel)');
    if (await button.count()) await button.click();
    for (const [name, value] of Object.entries(parameters)) {
      await block.locator(`tr[data-param-name="${name}"] input`).fill(String(value));
    }
    if (body) await block.locator('textarea.body-param__text').fill(JSON.stringify(body));
    const responded = page.waitForResponse((response) => response.url().includes('/api/'));
    await block.locator('button.execute').click();
    await responded;
    const live = block.locator('.live-responses-table');
    const status = await live.locator('tbody .response-col_status').first().innerText();
    const text = await live.locator('tbody .highlight-code').first().innerText();
    // The text also has the label of a download button, before the JSON.
    return { status: Number.parseInt(status, 10), body: JSON.parse(text.slice(text.indexOf('{'))) };
  };

  const email = `browser-${Date.now()}@example.com`;
  const created = await tryOut('createUser', { body: { email, password: 'secret', role: 'USER' } });
  assert.equal(created.status, 201);
  assert.equal(created.body.data.email, email);
  console.log('POST /api/users shows 201 and the user');

  const found = await tryOut('getUser', { parameters: { id: created.body.data.id } });
  assert.equal(found.status, 200);
  assert.deepEqual(found.body.data, created.body.data);
  console.log('GET /api/users/{id} shows 200 and the same user');

  const rejected = await tryOut('createUser', { body: { email: 'nobody', password: 'x', rolle: 'USER' } });
  assert.equal(rejected.status, 400);
  assert.equal(rejected.body.error.code, 'VALIDATION_ERROR');
  assert.deepEqual(rejected.body.error.details.map((detail) => detail.field).sort(), ['/email', '/password', '/role', '/rolle']);
  console.log('an invalid POST /api/users shows 400 and every violation');

  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], 'violations of the policy');
  assert.deepEqual(errors, [], 'errors on the console');
  assert.deepEqual(foreignRequests, [], 'requests to other origins');
  console.log('no console error, no policy violation, no request to another origin');
} finally {
  await browser.close();
}
