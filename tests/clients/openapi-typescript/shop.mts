/**
 * Calls every operation of the shop with the types of openapi-typescript and with openapi-fetch.
 *
 * Every operation is called at least twice: once it succeeds, and once it fails with the error
 * that the contract promises. This client checks nothing at run time, only while it compiles.
 *
 * Usage: node shop.mjs BASE_URL CONTRACT.json RECORD
 */

import { deepEqual, equal, ok as assert } from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

import createClient from 'openapi-fetch';

import type { components, operations, paths } from '../../../target/clients/openapi-typescript/schema.d.ts';

type Schemas = components['schemas'];
type Failure = Schemas['ErrorResponse'];
type Query<Name extends 'listUsers' | 'listProducts'> = NonNullable<
  operations[Name]['parameters']['query']
>;
type Success = { success: true; message: string };

/** A valid id that does not exist. */
const ABSENT = 2_147_483_647;

const [baseUrl, contractFile, record] = process.argv.slice(2);
assert(baseUrl && contractFile && record, 'usage: node shop.mjs BASE_URL CONTRACT.json RECORD');
const shop = createClient<paths>({ baseUrl });

// The operationIds by path and method: the types do not exist at run time.
type Operations = Record<string, { operationId: string }>;
const contract = JSON.parse(readFileSync(contractFile, 'utf8')) as {
  paths: Record<string, Operations>;
};
const operationIds = new WeakMap<Response, string>();
shop.use({
  onResponse({ request, response, schemaPath }) {
    const operation = contract.paths[schemaPath]?.[request.method.toLowerCase()];
    assert(operation, `${request.method} ${schemaPath} is not in the contract`);
    operationIds.set(response, operation.operationId);
  },
});

/** The outcomes of the calls, by operationId. */
const outcomes: Record<string, string[]> = {};

function note(response: Response, outcome: string): void {
  const operation = operationIds.get(response);
  assert(operation);
  const seen = (outcomes[operation] ??= []);
  if (!seen.includes(outcome)) {
    seen.push(outcome);
    console.log(`${operation.padEnd(16)} ${outcome}`);
  }
}

/** The result of a call: the body of a success or of a failure, and the response. */
type Call<Body extends Success> = Promise<{
  data?: Body | undefined;
  error?: Failure | undefined;
  response: Response;
}>;

/** The outcome of a failure: the status, the code, the reason if any and, for a 400, the details. */
function describe({ status }: Response, failure: Failure | undefined): string {
  // A 304 has no body: contrary to its type, openapi-fetch returns an empty string.
  if (status === 304 || failure === undefined) return String(status);
  const { code, reason, details = [] } = failure.error;
  const fields = details.map((detail) => `${detail.in}:${detail.field}`);
  return [status, code, ...(reason === undefined ? [] : [reason]), ...fields].join(' ');
}

/** The body and the headers of a call that must succeed. */
async function exchange<Body extends Success>(call: Call<Body>): Promise<[Body, Headers]> {
  const { data, error, response } = await call;
  const body = data ?? error;
  // The compiler narrows the type by `success`.
  if (!body?.success) throw new Error(`${response.url} failed: ${describe(response, body)}`);
  note(response, 'ok');
  return [body, response.headers];
}

/** The body of a call that must succeed. */
async function ok<Body extends Success>(call: Call<Body>): Promise<Body> {
  return (await exchange(call))[0];
}

/** Checks that the call fails with this outcome. */
async function fails(call: Call<Success>, expected: string): Promise<void> {
  const { data, error, response } = await call;
  equal(data, undefined);
  if (response.status !== 304) equal(error?.success, false);
  const outcome = describe(response, error);
  equal(outcome, expected);
  note(response, outcome);
}

/** Calls all operations on users except the deletion. */
async function walkUsers(): Promise<Schemas['User']> {
  const draft: Schemas['UserDraft'] = {
    email: 'ada@fetch.example',
    password: 'correct horse',
    role: 'USER',
  };
  const create = (body: Schemas['UserDraft']) => shop.POST('/api/users', { body });
  const { data: ada } = await ok(create(draft));
  const { id, email } = ada;
  deepEqual(ada, { id, email: draft.email, role: 'USER' });
  await fails(create(draft), '409 CONFLICT EMAIL_TAKEN');
  const wrong = { ...draft, email: 'ada', password: 'short' };
  await fails(create(wrong), '400 VALIDATION_ERROR body:/email body:/password');

  const get = (id: number, header: { 'If-None-Match'?: string } = {}) =>
    shop.GET('/api/users/{id}', { params: { path: { id }, header } });
  const [shown, headers] = await exchange(get(id));
  deepEqual(shown.data, ada);
  await fails(get(ABSENT), '404 NOT_FOUND');
  await fails(get(0), '400 VALIDATION_ERROR path:id');

  const list = (query: Query<'listUsers'>, id?: string) =>
    shop.GET('/api/users', {
      params: { query, ...(id === undefined ? {} : { header: { 'X-Request-Id': id } }) },
    });
  const { data: everyone, pagination } = await ok(list({}));
  equal(pagination, undefined);
  deepEqual(everyone.at(-1), ada);
  const page = await ok(list({ page: 2, limit: 1 }));
  deepEqual(page.data, everyone.slice(1, 2));
  deepEqual(page.pagination, { page: 2, limit: 1, total: everyone.length });
  await fails(list({ limit: 1001 }), '400 VALIDATION_ERROR query:limit');
  await fails(list({ q: 'ada' }), '400 VALIDATION_ERROR query:q');
  const filter = { limit: 1, sort: '-id', q: 'ADA@fe', role: 'USER' } as const;
  const [found, foundHeaders] = await exchange(list(filter, 'walk-fetch'));
  deepEqual(found.data, [ada]);
  equal(foundHeaders.get('X-Total-Count'), '1');
  equal(foundHeaders.get('X-Request-Id'), 'walk-fetch');
  assert(foundHeaders.get('Link')?.includes('rel="last"'));

  const update = (
    id: number,
    body: Schemas['UserChanges'],
    header: { 'If-Match'?: string } = {},
  ) => shop.PUT('/api/users/{id}', { params: { path: { id }, header }, body });
  const promoted = { id, email, role: 'ADMIN' } as const;
  deepEqual((await ok(update(id, { role: 'ADMIN' }))).data, promoted);
  await fails(update(ABSENT, {}), '404 NOT_FOUND');
  const [first] = everyone;
  assert(first);
  await fails(update(id, { email: first.email }), '409 CONFLICT EMAIL_TAKEN');
  // @ts-expect-error A role that is not in the contract: the compiler and the server both reject it.
  await fails(update(id, { role: 'CHEF' }), '400 VALIDATION_ERROR body:/role');

  // The tag before the promotion, and the current one.
  const old = headers.get('ETag');
  const tag = (await exchange(get(id)))[1].get('ETag');
  assert(old && tag && old !== tag);
  await ok(update(id, { role: 'ADMIN' }, { 'If-Match': tag }));
  await fails(update(id, { role: 'ADMIN' }, { 'If-Match': old }), '412 PRECONDITION_FAILED');
  await fails(get(id, { 'If-None-Match': tag }), '304');

  // The data of a response may be sent back, but not to another id.
  deepEqual((await ok(update(id, promoted))).data, promoted);
  await fails(update(id, { id: ABSENT }), '400 VALIDATION_ERROR body:/id');
  return promoted;
}

/** Calls all operations on products except the deletion. */
async function walkProducts(): Promise<Schemas['Product']> {
  const draft = { title: 'Teapot 🫖', image_url: '/images/teapot.jpg', description: 'Brown' };
  const create = (body: Schemas['ProductDraft']) => shop.POST('/api/products', { body });
  const { data: teapot } = await ok(create(draft));
  const { id } = teapot;
  deepEqual(teapot, { id, ...draft });
  const get = (id: number) => shop.GET('/api/products/{id}', { params: { path: { id } } });
  deepEqual((await ok(get(id))).data, teapot);
  await fails(get(ABSENT), '404 NOT_FOUND');
  await fails(create({ title: '' }), '400 VALIDATION_ERROR body:/title');

  const list = (query: Query<'listProducts'>) =>
    shop.GET('/api/products', { params: { query } });
  const { data: everything } = await ok(list({}));
  deepEqual(everything.at(-1), teapot);
  deepEqual((await ok(list({ limit: 2 }))).data, everything.slice(0, 2));
  await fails(list({ page: 0 }), '400 VALIDATION_ERROR query:page');

  // An absent property is unchanged; null clears it.
  const update = (id: number, body: Schemas['ProductChanges']) =>
    shop.PUT('/api/products/{id}', { params: { path: { id } }, body });
  deepEqual((await ok(update(id, { title: 'Pot 🫖' }))).data, { ...teapot, title: 'Pot 🫖' });
  const { data: cleared } = await ok(update(id, { image_url: null }));
  deepEqual(cleared, { ...teapot, title: 'Pot 🫖', image_url: null });
  await fails(update(ABSENT, {}), '404 NOT_FOUND');
  // @ts-expect-error A title cannot be cleared: the compiler and the server both reject null.
  await fails(update(id, { title: null }), '400 VALIDATION_ERROR body:/title');
  // @ts-expect-error Undefined does not mean absent: the compiler rejects it. (Never called.)
  void (() => update(id, { title: undefined }));
  return cleared;
}

/** Calls the operations of the cart, and reads the carts of users and products. */
async function walkCart(user: Schemas['User'], product: Schemas['Product']): Promise<void> {
  const [user_id, product_id] = [user.id, product.id];
  const add = (body: Schemas['CartItemDraft']) => shop.POST('/api/cart', { body });
  const { data: item } = await ok(add({ user_id, product_id }));
  const bare = { id: item.id, user_id, product_id };
  deepEqual(item, { ...bare, user, product });
  await fails(add({ user_id, product_id: ABSENT }), '409 CONFLICT PRODUCT_MISSING');

  const get = (id: number) => shop.GET('/api/cart/{id}', { params: { path: { id } } });
  deepEqual((await ok(get(item.id))).data, item);
  await fails(get(ABSENT), '404 NOT_FOUND');
  deepEqual((await ok(shop.GET('/api/cart'))).data.at(-1), item);
  const none = shop.GET('/api/cart', { params: { query: { limit: 0 } } });
  await fails(none, '400 VALIDATION_ERROR query:limit');

  const held = (id: number) => shop.GET('/api/users/{id}/cart', { params: { path: { id } } });
  deepEqual((await ok(held(user_id))).data, [{ ...bare, product }]);
  await fails(held(ABSENT), '404 NOT_FOUND');
  const holders = (id: number) =>
    shop.GET('/api/products/{id}/carts', { params: { path: { id } } });
  deepEqual((await ok(holders(product_id))).data, [{ ...bare, user }]);
  await fails(holders(ABSENT), '404 NOT_FOUND');

  const remove = (id: number) => shop.DELETE('/api/cart/{id}', { params: { path: { id } } });
  equal((await ok(remove(item.id))).data.cart_items_removed, 1);
  await fails(remove(item.id), '404 NOT_FOUND');
  await ok(add({ user_id, product_id }));
  await ok(add({ user_id, product_id }));
  const clear = (user_id: number) =>
    shop.DELETE('/api/cart/user/{user_id}', { params: { path: { user_id } } });
  equal((await ok(clear(user_id))).data.cart_items_removed, 2);
  await fails(clear(ABSENT), '404 NOT_FOUND');
  await ok(add({ user_id, product_id }));
}

/** Calls the deletions. The deletion of the product removes the last cart item, too. */
async function walkDeletions(user: number, product: number): Promise<void> {
  const deleteProduct = (id: number) =>
    shop.DELETE('/api/products/{id}', { params: { path: { id } } });
  equal((await ok(deleteProduct(product))).data.cart_items_removed, 1);
  await fails(deleteProduct(product), '404 NOT_FOUND');
  const deleteUser = (id: number) => shop.DELETE('/api/users/{id}', { params: { path: { id } } });
  equal((await ok(deleteUser(user))).data.cart_items_removed, 0);
  await fails(deleteUser(user), '404 NOT_FOUND');
}

const user = await walkUsers();
const product = await walkProducts();
await walkCart(user, product);
await walkDeletions(user.id, product.id);
writeFileSync(record, `${JSON.stringify(outcomes, null, 2)}\n`);
