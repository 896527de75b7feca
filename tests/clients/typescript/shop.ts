/**
 * Calls every operation of the shop with the generated TypeScript client.
 *
 * Every operation is called at least twice: once it succeeds, and once it fails with the error
 * that the contract promises. This client checks nothing at run time, only while it compiles.
 *
 * Usage: node shop.js BASE_URL RECORD
 */

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { writeFileSync } from 'node:fs';

import {
  CartApi,
  Configuration,
  ErrorResponseFromJSON,
  type Product,
  type ProductChanges,
  ProductsApi,
  ResponseError,
  Role,
  type User,
  UsersApi,
} from '../../../target/clients/typescript/index';

/** A valid id that does not exist. */
const ABSENT = 2_147_483_647;

/** The outcomes of the calls, by operationId. */
const outcomes: Record<string, string[]> = {};

function note(operation: string, outcome: string): void {
  const seen = (outcomes[operation] ??= []);
  if (!seen.includes(outcome)) {
    seen.push(outcome);
    console.log(`${operation.padEnd(16)} ${outcome}`);
  }
}

/** The status, the code, the reason if any and, for a 400, the details of a typed error. */
async function failure({ response }: ResponseError): Promise<string> {
  // A 304 has no body.
  if (response.status === 304) return '304';
  const { success, error } = ErrorResponseFromJSON(await response.json());
  equal(success, false);
  const reason = error.reason === undefined ? [] : [error.reason];
  const fields = (error.details ?? []).map((detail) => `${detail.in}:${detail.field}`);
  return [response.status, error.code, ...reason, ...fields].join(' ');
}

/** Wraps an API so that the outcomes of its operations are recorded. Errors have `failure` as their message. */
function recorded<Api extends object>(api: Api): Api {
  return new Proxy(api, {
    get(target, name) {
      const operation: unknown = Reflect.get(target, name);
      if (typeof operation !== 'function') return operation;
      // The `Raw` variant of an operation also returns the response.
      const id = String(name).replace(/Raw$/, '');
      return async (...args: unknown[]): Promise<unknown> => {
        let result: unknown;
        try {
          result = await operation.apply(target, args);
        } catch (error) {
          if (!(error instanceof ResponseError)) throw error;
          const outcome = await failure(error);
          note(id, outcome);
          throw new Error(outcome, { cause: error });
        }
        note(id, 'ok');
        return result;
      };
    },
  });
}

/** Checks that the call fails with this outcome. */
async function fails(call: Promise<unknown>, message: string): Promise<void> {
  await rejects(call, { message });
}

/** Calls all operations on users except the deletion. */
async function walkUsers(users: UsersApi): Promise<User> {
  const userDraft = { email: 'ada@typescript.example', password: 'correct horse', role: Role.User };
  const { data: ada } = await users.createUser({ userDraft });
  const { id } = ada;
  deepEqual(ada, { id, email: userDraft.email, role: Role.User });
  await fails(users.createUser({ userDraft }), '409 CONFLICT EMAIL_TAKEN');
  const wrong = { ...userDraft, email: 'ada', password: 'short' };
  await fails(
    users.createUser({ userDraft: wrong }),
    '400 VALIDATION_ERROR body:/email body:/password',
  );

  deepEqual((await users.getUser({ id })).data, ada);
  await fails(users.getUser({ id: ABSENT }), '404 NOT_FOUND');
  await fails(users.getUser({ id: 0 }), '400 VALIDATION_ERROR path:id');

  const { data: everyone, pagination } = await users.listUsers();
  equal(pagination, undefined);
  deepEqual(everyone.at(-1), ada);
  const page = await users.listUsers({ page: 2, limit: 1 });
  deepEqual(page.data, everyone.slice(1, 2));
  deepEqual(page.pagination, { page: 2, limit: 1, total: everyone.length });
  await fails(users.listUsers({ limit: 1001 }), '400 VALIDATION_ERROR query:limit');
  await fails(users.listUsers({ q: 'ada' }), '400 VALIDATION_ERROR query:q');
  const xRequestId = 'walk-typescript';
  const filter = { limit: 1, sort: '-id', q: 'ADA@ty', role: Role.User, xRequestId } as const;
  const found = await users.listUsersRaw(filter);
  deepEqual((await found.value()).data, [ada]);
  const { headers } = found.raw;
  deepEqual([headers.get('x-total-count'), headers.get('x-request-id')], ['1', xRequestId]);
  ok(headers.get('link')?.includes('rel="last"'));

  const { data: promoted } = await users.updateUser({ id, userChanges: { role: Role.Admin } });
  deepEqual(promoted, { ...ada, role: Role.Admin });
  await fails(users.updateUser({ id: ABSENT, userChanges: {} }), '404 NOT_FOUND');
  const email = everyone.find((user) => user.id !== id)?.email;
  ok(email);
  await fails(users.updateUser({ id, userChanges: { email } }), '409 CONFLICT EMAIL_TAKEN');

  // The update succeeds only if the user is unchanged since the response with this tag.
  const ifMatch = (await users.getUserRaw({ id })).raw.headers.get('etag') ?? undefined;
  ok(ifMatch);
  const userChanges = { role: Role.Admin };
  await users.updateUser({ id, ifMatch, userChanges });
  await fails(
    users.updateUser({ id, ifMatch: '"old"', userChanges }),
    '412 PRECONDITION_FAILED',
  );
  await fails(users.getUser({ id, ifNoneMatch: ifMatch }), '304');

  // The data of a response may be sent back, but not to another id.
  deepEqual((await users.updateUser({ id, userChanges: promoted })).data, promoted);
  await fails(
    users.updateUser({ id, userChanges: { id: ABSENT } }),
    '400 VALIDATION_ERROR body:/id',
  );
  return promoted;
}

/** Calls all operations on products except the deletion. */
async function walkProducts(products: ProductsApi): Promise<Product> {
  const productDraft = { title: 'Teapot 🫖', imageUrl: '/images/teapot.jpg', description: 'Brown' };
  const { data: teapot } = await products.createProduct({ productDraft });
  const { id } = teapot;
  deepEqual(teapot, { id, ...productDraft });
  deepEqual((await products.getProduct({ id })).data, teapot);
  await fails(products.getProduct({ id: ABSENT }), '404 NOT_FOUND');
  await fails(
    products.createProduct({ productDraft: { title: '' } }),
    '400 VALIDATION_ERROR body:/title',
  );

  const { data: everything, pagination } = await products.listProducts();
  equal(pagination, undefined);
  deepEqual(everything.at(-1), teapot);
  const page = await products.listProducts({ limit: 2 });
  deepEqual(page.data, everything.slice(0, 2));
  deepEqual(page.pagination, { page: 1, limit: 2, total: everything.length });
  await fails(products.listProducts({ page: 0 }), '400 VALIDATION_ERROR query:page');

  // An absent property is unchanged; null clears it.
  const update = async (productChanges: ProductChanges) =>
    (await products.updateProduct({ id, productChanges })).data;
  deepEqual(await update({ title: 'Pot 🫖' }), { ...teapot, title: 'Pot 🫖' });
  const cleared = await update({ imageUrl: null });
  deepEqual(cleared, { ...teapot, title: 'Pot 🫖', imageUrl: null });
  // @ts-expect-error A title cannot be cleared: the compiler and the server both reject null.
  await fails(update({ title: null }), '400 VALIDATION_ERROR body:/title');
  await fails(products.updateProduct({ id: ABSENT, productChanges: {} }), '404 NOT_FOUND');
  return cleared;
}

/** Calls the operations of the cart, and reads the carts of users and products. */
async function walkCart(
  cart: CartApi,
  users: UsersApi,
  products: ProductsApi,
  user: User,
  product: Product,
): Promise<void> {
  const [userId, productId] = [user.id, product.id];
  const cartItemDraft = { userId, productId };
  const { data: item } = await cart.addCartItem({ cartItemDraft });
  const bare = { id: item.id, userId, productId };
  deepEqual(item, { ...bare, user, product });
  const orphan = { userId, productId: ABSENT };
  await fails(cart.addCartItem({ cartItemDraft: orphan }), '409 CONFLICT PRODUCT_MISSING');

  deepEqual((await cart.getCartItem({ id: item.id })).data, item);
  await fails(cart.getCartItem({ id: ABSENT }), '404 NOT_FOUND');
  deepEqual((await cart.listCartItems()).data.at(-1), item);
  await fails(cart.listCartItems({ limit: 0 }), '400 VALIDATION_ERROR query:limit');

  deepEqual((await users.getUserCart({ id: userId })).data, [{ ...bare, product }]);
  await fails(users.getUserCart({ id: ABSENT }), '404 NOT_FOUND');
  deepEqual((await products.getProductCarts({ id: productId })).data, [{ ...bare, user }]);
  await fails(products.getProductCarts({ id: ABSENT }), '404 NOT_FOUND');

  const { data: removal } = await cart.removeCartItem({ id: item.id });
  equal(removal.cartItemsRemoved, 1);
  await fails(cart.removeCartItem({ id: item.id }), '404 NOT_FOUND');
  await cart.addCartItem({ cartItemDraft });
  await cart.addCartItem({ cartItemDraft });
  equal((await cart.clearUserCart({ userId })).data.cartItemsRemoved, 2);
  await fails(cart.clearUserCart({ userId: ABSENT }), '404 NOT_FOUND');
  await cart.addCartItem({ cartItemDraft });
}

/** Calls the operations of the shop at the URL and writes the outcomes to the file. */
async function main(basePath: string, record: string): Promise<void> {
  const configuration = new Configuration({ basePath });
  const users = recorded(new UsersApi(configuration));
  const products = recorded(new ProductsApi(configuration));
  const cart = recorded(new CartApi(configuration));
  const user = await walkUsers(users);
  const product = await walkProducts(products);
  await walkCart(cart, users, products, user, product);
  const { data: removal } = await products.deleteProduct({ id: product.id });
  equal(removal.cartItemsRemoved, 1);
  await fails(products.deleteProduct({ id: product.id }), '404 NOT_FOUND');
  equal((await users.deleteUser({ id: user.id })).data.cartItemsRemoved, 0);
  await fails(users.deleteUser({ id: user.id }), '404 NOT_FOUND');
  writeFileSync(record, `${JSON.stringify(outcomes, null, 2)}\n`);
}

const [baseUrl, record] = process.argv.slice(2);
ok(baseUrl && record, 'usage: node shop.js BASE_URL RECORD');
main(baseUrl, record).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
