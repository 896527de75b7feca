<?php

/**
 * Calls every operation of the shop with the generated PHP client.
 *
 * Every operation is called at least twice: once it succeeds, and once it fails with the error that
 * the contract promises. This client checks ranges and lengths before it sends; where it refuses,
 * this refusal is expected.
 *
 * Usage: shop.php CLIENT_DIRECTORY BASE_URL RECORD
 */

declare(strict_types=1);

use Ecommerce\Api\CartApi;
use Ecommerce\Api\ProductsApi;
use Ecommerce\Api\UsersApi;
use Ecommerce\ApiException;
use Ecommerce\Configuration;
use Ecommerce\Model\CartItemDraft;
use Ecommerce\Model\ErrorResponse;
use Ecommerce\Model\Product;
use Ecommerce\Model\ProductChanges;
use Ecommerce\Model\ProductDraft;
use Ecommerce\Model\Role;
use Ecommerce\Model\User;
use Ecommerce\Model\UserChanges;
use Ecommerce\Model\UserDraft;

/** A valid id that does not exist. */
const ABSENT = 2_147_483_647;

/** Warnings of PHP end the walk. */
set_error_handler(function (int $level, string $message, string $file, int $line): never {
    throw new ErrorException($message, 0, $level, $file, $line);
});

/** Calls operations, and records the outcomes of each by its operationId. */
final class Walk
{
    /** @var array<string, list<string>> */
    public array $outcomes = [];

    private function note(Closure $operation, string $outcome): void
    {
        $name = self::operationId($operation);
        if (!in_array($outcome, $this->outcomes[$name] ?? [], true)) {
            $this->outcomes[$name][] = $outcome;
            printf("%-16s %s\n", $name, $outcome);
        }
    }

    private static function operationId(Closure $operation): string
    {
        $name = (new ReflectionFunction($operation))->getName();
        return preg_replace('/WithHttpInfo$/', '', $name);
    }

    /** Calls an operation that must succeed and returns the response. */
    public function ok(Closure $operation, mixed ...$arguments): mixed
    {
        $response = $operation(...$arguments);
        $this->note($operation, 'ok');
        return $response;
    }

    /** Checks that the operation fails with this status, code, reason (if any) and, for a 400, details. */
    public function fails(string $expected, Closure $operation, mixed ...$arguments): void
    {
        // Unreachable: the HTTP library throws every error.
        $failure = self::failure($operation, $arguments);
        $outcome = (string) $failure->getCode();
        // A 304 has no body.
        if ($failure->getCode() !== 304) {
            $envelope = $failure->getResponseObject();
            same(get_class($envelope), ErrorResponse::class);
            same($envelope->getSuccess(), false);
            $error = $envelope->getError();
            $reason = array_filter([$error->getReason()]);
            $fields = array_map(fn ($detail) => "{$detail->getIn()}:{$detail->getField()}", $error->getDetails() ?? []);
            $outcome = implode(' ', [$outcome, $error->getCode(), ...$reason, ...$fields]);
        }
        same($outcome, $expected);
        $this->note($operation, $outcome);
    }

    /** @param array<int|string, mixed> $arguments */
    private static function failure(Closure $operation, array $arguments): ApiException
    {
        try {
            $operation(...$arguments);
        } catch (ApiException $exception) {
            return $exception;
        }
        throw new LogicException(self::operationId($operation) . ' succeeded');
    }

    /** Checks that the client refuses the argument and does not send the request. */
    public function refuses(Closure $operation, string $argument, Closure $attempt): void
    {
        try {
            $attempt();
        } catch (InvalidArgumentException $exception) {
            if (!str_contains($exception->getMessage(), $argument)) {
                throw $exception;
            }
            $this->note($operation, "not sent: $argument");
            return;
        }
        throw new LogicException("the client accepted an invalid $argument");
    }
}

/** Both must be equal. Models are compared as JSON. */
function same(mixed $seen, mixed $expected): void
{
    $texts = array_map(fn ($value) => json_encode($value, JSON_THROW_ON_ERROR), [$seen, $expected]);
    if ($texts[0] !== $texts[1]) {
        throw new LogicException("$texts[0], not $texts[1]");
    }
}

/** Calls all operations on users except the deletion. */
function walkUsers(Walk $walk, UsersApi $users): User
{
    $address = 'ada@php.example';
    $draft = new UserDraft(['email' => $address, 'password' => 'correct horse', 'role' => Role::USER]);
    $ada = $walk->ok($users->createUser(...), $draft)->getData();
    same([$ada->getEmail(), $ada->getRole()], [$address, Role::USER]);
    $walk->fails('409 CONFLICT EMAIL_TAKEN', $users->createUser(...), $draft);
    // The client checks values given to a setter, but not those given to a constructor.
    $wrong = new UserDraft(['email' => 'ada', 'password' => 'short', 'role' => Role::USER]);
    $walk->fails('400 VALIDATION_ERROR body:/email body:/password', $users->createUser(...), $wrong);
    $walk->refuses($users->createUser(...), '$password', fn () => $draft->setPassword('short'));

    same($walk->ok($users->getUser(...), $ada->getId())->getData(), $ada);
    $walk->fails('404 NOT_FOUND', $users->getUser(...), ABSENT);
    $walk->refuses($users->getUser(...), '$id', fn () => $users->getUser(0));

    $everyone = $walk->ok($users->listUsers(...));
    same($everyone->getPagination(), null);
    same($everyone->getData()[array_key_last($everyone->getData())], $ada);
    $page = $walk->ok($users->listUsers(...), page: 2, limit: 1);
    same($page->getData(), array_slice($everyone->getData(), 1, 1));
    $total = count($everyone->getData());
    same($page->getPagination(), ['page' => 2, 'limit' => 1, 'total' => $total]);
    $walk->refuses($users->listUsers(...), '$limit', fn () => $users->listUsers(limit: 1001));
    $walk->fails('400 VALIDATION_ERROR query:q', $users->listUsers(...), q: 'ada');
    $filter = ['limit' => 1, 'sort' => '-id', 'q' => 'ADA@ph', 'role' => Role::USER];
    [$found, , $headers] = $users->listUsersWithHttpInfo(...$filter, x_request_id: 'walk-php');
    same($found->getData(), [$ada]);
    same([$headers['x-total-count'], $headers['x-request-id']], [['1'], ['walk-php']]);
    same(str_contains($headers['link'][0], 'rel="last"'), true);

    $promotion = new UserChanges(['role' => Role::ADMIN]);
    $promoted = $walk->ok($users->updateUser(...), $ada->getId(), $promotion)->getData();
    same($promoted, $ada->setRole(Role::ADMIN));
    $walk->fails('404 NOT_FOUND', $users->updateUser(...), ABSENT, new UserChanges());
    $taken = new UserChanges(['email' => $everyone->getData()[0]->getEmail()]);
    $walk->fails('409 CONFLICT EMAIL_TAKEN', $users->updateUser(...), $ada->getId(), $taken);

    // The tag of the current state.
    [, , $headers] = $walk->ok($users->getUserWithHttpInfo(...), $ada->getId());
    $tag = $headers['etag'][0];
    $walk->ok($users->updateUser(...), $ada->getId(), $promotion, if_match: $tag);
    $old = '"old"';
    $walk->fails('412 PRECONDITION_FAILED', $users->updateUser(...), $ada->getId(), $promotion, if_match: $old);
    $walk->fails('304', $users->getUser(...), $ada->getId(), if_none_match: $tag);

    // The data of a response may be sent back, but not to another id.
    $shown = new UserChanges((array) json_decode((string) json_encode($promoted)));
    same($walk->ok($users->updateUser(...), $ada->getId(), $shown)->getData(), $promoted);
    $other = new UserChanges(['id' => ABSENT]);
    $walk->fails('400 VALIDATION_ERROR body:/id', $users->updateUser(...), $ada->getId(), $other);
    return $promoted;
}

/** Calls all operations on products except the deletion. */
function walkProducts(Walk $walk, ProductsApi $products): Product
{
    $draft = new ProductDraft(['title' => 'Teapot 🫖', 'image_url' => '/images/teapot.jpg', 'description' => 'Brown']);
    $teapot = $walk->ok($products->createProduct(...), $draft)->getData();
    same($teapot->getTitle(), 'Teapot 🫖');
    $id = $teapot->getId();
    same($walk->ok($products->getProduct(...), $id)->getData(), $teapot);
    $walk->fails('404 NOT_FOUND', $products->getProduct(...), ABSENT);
    $untitled = new ProductDraft(['title' => '']);
    $walk->fails('400 VALIDATION_ERROR body:/title', $products->createProduct(...), $untitled);

    $everything = $walk->ok($products->listProducts(...))->getData();
    same($everything[array_key_last($everything)], $teapot);
    $page = $walk->ok($products->listProducts(...), limit: 2);
    same($page->getData(), array_slice($everything, 0, 2));
    $walk->refuses($products->listProducts(...), '$page', fn () => $products->listProducts(page: 0));

    // An absent property is unchanged; null clears it.
    $retitled = new ProductChanges(['title' => 'Pot 🫖']);
    $teapot->setTitle('Pot 🫖');
    same($walk->ok($products->updateProduct(...), $id, $retitled)->getData(), $teapot);
    $cleared = new ProductChanges(['image_url' => null]);
    $teapot->setImageUrl(null);
    same($walk->ok($products->updateProduct(...), $id, $cleared)->getData(), $teapot);
    $walk->refuses($products->updateProduct(...), 'title', fn () => $cleared->setTitle(null));
    $walk->fails('404 NOT_FOUND', $products->updateProduct(...), ABSENT, new ProductChanges());
    return $teapot;
}

/** Calls the operations of the cart, and reads the carts of users and products. */
function walkCart(
    Walk $walk,
    CartApi $cart,
    UsersApi $users,
    ProductsApi $products,
    User $user,
    Product $product
): void {
    $draft = new CartItemDraft(['user_id' => $user->getId(), 'product_id' => $product->getId()]);
    $item = $walk->ok($cart->addCartItem(...), $draft)->getData();
    same([$item->getUser(), $item->getProduct()], [$user, $product]);
    $orphan = new CartItemDraft(['user_id' => $user->getId(), 'product_id' => ABSENT]);
    $walk->fails('409 CONFLICT PRODUCT_MISSING', $cart->addCartItem(...), $orphan);

    same($walk->ok($cart->getCartItem(...), $item->getId())->getData(), $item);
    $walk->fails('404 NOT_FOUND', $cart->getCartItem(...), ABSENT);
    $items = $walk->ok($cart->listCartItems(...))->getData();
    same($items[array_key_last($items)], $item);
    $walk->refuses($cart->listCartItems(...), '$limit', fn () => $cart->listCartItems(limit: 0));

    $held = $walk->ok($users->getUserCart(...), $user->getId())->getData();
    same([count($held), $held[0]->getProduct()], [1, $product]);
    $walk->fails('404 NOT_FOUND', $users->getUserCart(...), ABSENT);
    $holders = $walk->ok($products->getProductCarts(...), $product->getId())->getData();
    same([count($holders), $holders[0]->getUser()], [1, $user]);
    $walk->fails('404 NOT_FOUND', $products->getProductCarts(...), ABSENT);

    same($walk->ok($cart->removeCartItem(...), $item->getId())->getData()->getCartItemsRemoved(), 1);
    $walk->fails('404 NOT_FOUND', $cart->removeCartItem(...), $item->getId());
    $cart->addCartItem($draft);
    $cart->addCartItem($draft);
    same($walk->ok($cart->clearUserCart(...), $user->getId())->getData()->getCartItemsRemoved(), 2);
    $walk->fails('404 NOT_FOUND', $cart->clearUserCart(...), ABSENT);
    $cart->addCartItem($draft);
}

/** Calls the deletions. The deletion of the product removes the last cart item, too. */
function walkDeletions(Walk $walk, UsersApi $users, ProductsApi $products, int $user, int $product): void
{
    same($walk->ok($products->deleteProduct(...), $product)->getData()->getCartItemsRemoved(), 1);
    $walk->fails('404 NOT_FOUND', $products->deleteProduct(...), $product);
    same($walk->ok($users->deleteUser(...), $user)->getData()->getCartItemsRemoved(), 0);
    $walk->fails('404 NOT_FOUND', $users->deleteUser(...), $user);
}

[, $client, $baseUrl, $record] = $argv;
// Debian's PHP packages, in place of Composer.
require 'GuzzleHttp/autoload.php';
spl_autoload_register(function (string $class) use ($client): void {
    if (str_starts_with($class, 'Ecommerce\\')) {
        require "$client/lib/" . strtr(substr($class, strlen('Ecommerce\\')), '\\', '/') . '.php';
    }
});
$configuration = (new Configuration())->setHost($baseUrl);
[$users, $products, $cart] = [
    new UsersApi(config: $configuration),
    new ProductsApi(config: $configuration),
    new CartApi(config: $configuration),
];
$walk = new Walk();
$user = walkUsers($walk, $users);
$product = walkProducts($walk, $products);
walkCart($walk, $cart, $users, $products, $user, $product);
walkDeletions($walk, $users, $products, $user->getId(), $product->getId());
file_put_contents($record, json_encode($walk->outcomes, JSON_PRETTY_PRINT | JSON_THROW_ON_ERROR) . "\n");
