// Tests the pages in a real browser, under their strict content security policies: the documentation shows
// the 17 operations in three groups, each works with what the page fills in, no request goes to another
// origin, axe finds nothing critical or serious in either colour scheme, and nothing scrolls sideways on a
// phone. The pages for people work without JavaScript.
//
// Usage: node docs.mjs URL SCREENSHOT.png

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// Installed in NODE_PATH, under target/. ES modules do not search there by default.
const installed = createRequire(`${process.env.NODE_PATH}/`);
const { chromium } = installed('playwright-core');
const axe = readFileSync(installed.resolve('axe-core/axe.min.js'), 'utf8');

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
    // Two of the steps below cause a 400 and a 401, which the browser reports as errors.
    if (message.type() === 'error' && !/status of 40[01]/.test(message.text())) errors.push(message.text());
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
    const reported = (await responded).status();
    const live = block.locator('.live-responses-table');
    await live.locator('tbody .response-col_status', { hasText: String(reported) }).first().waitFor();
    const text = await live.locator('tbody .highlight-code').first().innerText();
    // The text also has the label of a download button, before the JSON.
    return { status: reported, body: JSON.parse(text.slice(text.indexOf('{'))) };
  };

  // Each operation with what the page has filled in from the contract's examples. What is deleted is
  // deleted last.
  const operations = await page.evaluate(async () => {
    const contract = await (await fetch('openapi.json')).json();
    return Object.values(contract.paths).flatMap((path) =>
      Object.entries(path).flatMap(([method, { operationId }]) => (operationId ? [{ method, id: operationId }] : [])),
    );
  });
  const order = ['get', 'post', 'put', 'delete'];
  operations.sort((one, other) => order.indexOf(one.method) - order.indexOf(other.method));
  for (const { id } of operations) {
    const { status, body } = await tryOut(id);
    assert.ok(status < 300, `${id}: ${status} ${JSON.stringify(body)}`);
  }
  assert.equal(operations.length, 17);
  console.log('each operation succeeds with what the page fills in');

  const email = `browser-${Date.now()}@example.com`;
  const created = await tryOut('createUser', {
    body: { email, password: 'secret', role: 'USER' },
    // The page fills in a key that was used above.
    parameters: { 'Idempotency-Key': email },
  });
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

  // The other contract, and a token for the operations that need one.
  await page.goto(`${url}/api/docs?contract=auth`);
  await page.waitForSelector('.opblock');
  assert.equal(await page.locator('.opblock').count(), 6, 'operations of the contract auth');
  const login = await tryOut('login', { body: { email, password: 'secret' } });
  assert.equal(login.status, 200);
  const me = await tryOut('getMe');
  assert.equal(me.status, 401);
  await page.locator('button.authorize').first().click();
  await page.locator('.auth-container input').fill(login.body.data.access_token);
  await page.locator('.auth-container button.authorize').click();
  await page.locator('.auth-container button.btn-done').click();
  const known = await tryOut('getMe');
  assert.equal(known.status, 200);
  assert.equal(known.body.data.email, email);
  console.log('"Authorize" takes a token, with which the user is known');

  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], 'violations of the policy');
  assert.deepEqual(errors, [], 'errors on the console');
  assert.deepEqual(foreignRequests, [], 'requests to other origins');
  console.log('no console error, no policy violation, no request to another origin');

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 390]) {
      // Axe is a script of its own, which the policies forbid.
      const context = await browser.newContext({ viewport: { width, height: 1000 }, colorScheme, bypassCSP: true });
      const page = await context.newPage();
      const check = async (name) => {
        const scrolled = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(scrolled <= width, `${name} is ${scrolled} pixels wide on a screen of ${width}`);
        await page.addScriptTag({ content: axe });
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        const severe = violations.filter(({ impact }) => ['critical', 'serious'].includes(impact));
        const found = severe.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join('\n')}`);
        assert.deepEqual(found, [], `${name}, ${colorScheme}, ${width} pixels`);
      };
      for (const path of ['/', '/nothing/here']) {
        await page.goto(url + path);
        await check(path);
      }
      await page.goto(`${url}/api/docs?contract=auth`);
      await page.waitForSelector('.opblock');
      await check('the operations of the contract auth');
      await page.goto(`${url}/api/docs`);
      await page.waitForSelector('.opblock');
      await check('the list of operations');
      for (const id of ['listUsers', 'createUser', 'updateProduct']) {
        await page.locator(`[id$="-${id}"] .opblock-summary`).click();
        await page.waitForSelector(`[id$="-${id}"] .responses-table`);
      }
      await check('open operations');
      await context.close();
    }
  }
  console.log('axe finds nothing critical or serious; nothing scrolls sideways');

  const context = await browser.newContext({ javaScriptEnabled: false });
  const people = await context.newPage();
  await people.goto(url);
  assert.equal(await people.locator('h1').innerText(), 'ecommerce-api');
  assert.match(await people.locator('main').innerText(), /its database responds/);
  const missing = await people.goto(`${url}/nothing/here`);
  assert.equal(missing.status(), 404);
  await people.getByRole('link', { name: 'To the start' }).click();
  assert.equal(await people.locator('h1').innerText(), 'ecommerce-api');
  const icon = await people.request.get(`${url}/favicon.ico`);
  assert.equal(icon.headers()['content-type'], 'image/svg+xml');
  console.log('the pages for people work without JavaScript');
} finally {
  await browser.close();
}
