"""Calls every operation of the shop with the generated Python client.

Every operation is called at least twice: once it succeeds, and once it fails with the error that
the contract promises. Where the client itself refuses invalid input, this refusal is expected.

Usage: shop.py BASE_URL RECORD
"""

import json
import re
import sys
from pathlib import Path
from typing import Callable, ParamSpec, TypeVar

from ecommerce_client import (
    ApiClient,
    ApiException,
    CartApi,
    CartItemDraft,
    Configuration,
    ErrorResponse,
    Product,
    ProductChanges,
    ProductDraft,
    ProductsApi,
    Role,
    User,
    UserChanges,
    UserDraft,
    UsersApi,
)
from pydantic import ValidationError

P = ParamSpec("P")
T = TypeVar("T")

ABSENT = 2_147_483_647
"""A valid id that does not exist."""


class Walk:
    """Calls operations, and records the outcomes of each by its operationId."""

    def __init__(self) -> None:
        self.outcomes: dict[str, list[str]] = {}

    def _note(self, operation: Callable[..., object], outcome: str) -> None:
        name = re.sub("_(.)", lambda match: match[1].upper(), operation.__name__)
        outcomes = self.outcomes.setdefault(name, [])
        if outcome not in outcomes:
            outcomes.append(outcome)
            print(f"{name:16} {outcome}")

    def ok(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls an operation that must succeed and returns the response."""
        response = operation(*args, **kwargs)
        self._note(operation, "ok")
        return response

    def fails(
        self, expected: str, operation: Callable[P, object], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Checks that the operation fails with this status, code, reason (if any) and, for a 400, details."""
        try:
            operation(*args, **kwargs)
        except ApiException as exception:
            outcome = str(exception.status)
            # A 304 has no body.
            if exception.status != 304:
                assert isinstance(exception.data, ErrorResponse), exception
                assert not exception.data.success
                error = exception.data.error
                reason = [error.reason] if error.reason else []
                fields = [f"{detail.in_}:{detail.field}" for detail in error.details or []]
                outcome = " ".join([outcome, error.code, *reason, *fields])
            assert outcome == expected, f"{outcome}, not {expected}"
            self._note(operation, outcome)
        else:
            raise AssertionError(f"{operation.__name__} succeeded instead of {expected}")

    def refuses(
        self, operation: Callable[..., object], argument: str, attempt: Callable[[], object]
    ) -> None:
        """Checks that the client refuses the argument and does not send the request."""
        try:
            attempt()
        except ValidationError as error:
            assert [entry["loc"][-1] for entry in error.errors()] == [argument], error
            self._note(operation, f"not sent: {argument}")
        else:
            raise AssertionError(f"the client accepted an invalid {argument}")


def walk_users(walk: Walk, users: UsersApi) -> User:
    """Calls all operations on users except the deletion."""
    draft = UserDraft(email="ada@python.example", password="correct horse", role=Role.USER)
    ada = walk.ok(users.create_user, draft).data
    walk.fails("409 CONFLICT EMAIL_TAKEN", users.create_user, draft)
    # The client checks lengths, but not the format of an email address.
    no_address = UserDraft(email="ada", password="correct horse", role=Role.USER)
    walk.fails("400 VALIDATION_ERROR body:/email", users.create_user, no_address)

    assert walk.ok(users.get_user, ada.id).data == ada
    walk.fails("404 NOT_FOUND", users.get_user, ABSENT)
    walk.refuses(users.get_user, "id", lambda: users.get_user(id=0))

    everyone = walk.ok(users.list_users)
    assert ada in everyone.data and everyone.pagination is None
    page = walk.ok(users.list_users, page=2, limit=1)
    assert page.data == everyone.data[1:2]
    assert page.pagination is not None
    assert (page.pagination.page, page.pagination.limit) == (2, 1)
    assert page.pagination.total == len(everyone.data)
    walk.refuses(users.list_users, "limit", lambda: users.list_users(limit=1001))
    walk.fails("400 VALIDATION_ERROR query:q", users.list_users, q="ada")
    found = users.list_users_with_http_info(
        limit=1, sort="-id", q="ADA@py", role=Role.USER, x_request_id="walk-python"
    )
    assert found.data.data == [ada] and found.headers is not None
    assert found.headers["x-total-count"] == "1" and 'rel="last"' in found.headers["link"]
    assert found.headers["x-request-id"] == "walk-python"

    promoted = walk.ok(users.update_user, ada.id, UserChanges(role=Role.ADMIN)).data
    assert (promoted.role, promoted.email) == (Role.ADMIN, ada.email)
    walk.fails("404 NOT_FOUND", users.update_user, ABSENT, UserChanges())
    taken = UserChanges(email=next(user.email for user in everyone.data if user != ada))
    walk.fails("409 CONFLICT EMAIL_TAKEN", users.update_user, ada.id, taken)

    # The update succeeds only if the user is unchanged since the response with this tag.
    seen = users.get_user_with_http_info(ada.id)
    assert seen.headers is not None
    again = UserChanges(role=Role.ADMIN)
    walk.ok(users.update_user, ada.id, again, if_match=seen.headers["etag"])
    walk.fails("412 PRECONDITION_FAILED", users.update_user, ada.id, again, if_match='"old"')
    walk.fails("304", users.get_user, ada.id, if_none_match=seen.headers["etag"])

    # The data of a response may be sent back, but not to another id.
    shown = UserChanges.model_validate(promoted.model_dump())
    assert walk.ok(users.update_user, ada.id, shown).data == promoted
    other = UserChanges(id=ABSENT)
    walk.fails("400 VALIDATION_ERROR body:/id", users.update_user, ada.id, other)
    return promoted


def walk_products(walk: Walk, products: ProductsApi) -> Product:
    """Calls all operations on products except the deletion."""
    draft = ProductDraft(title="Teapot 🫖", image_url="/images/teapot.jpg", description="Brown")
    teapot = walk.ok(products.create_product, draft).data
    assert teapot.title == "Teapot 🫖"
    assert walk.ok(products.get_product, teapot.id).data == teapot
    walk.fails("404 NOT_FOUND", products.get_product, ABSENT)
    walk.refuses(products.create_product, "title", lambda: ProductDraft(title=""))

    everything = walk.ok(products.list_products)
    assert teapot in everything.data and everything.pagination is None
    page = walk.ok(products.list_products, page=1, limit=2)
    assert page.data == everything.data[:2] and page.pagination is not None
    walk.refuses(products.list_products, "page", lambda: products.list_products(page=0))

    # An absent property is unchanged; null clears it.
    untouched = walk.ok(products.update_product, teapot.id, ProductChanges(title="Pot 🫖")).data
    assert untouched == teapot.model_copy(update={"title": "Pot 🫖"})
    cleared = walk.ok(products.update_product, teapot.id, ProductChanges(image_url=None)).data
    assert cleared == untouched.model_copy(update={"image_url": None})
    # A title cannot be cleared: the client omits a null that the contract does not allow.
    assert ProductChanges(title=None).to_dict() == {}
    walk.fails("404 NOT_FOUND", products.update_product, ABSENT, ProductChanges())
    return cleared


def walk_cart(
    walk: Walk, cart: CartApi, users: UsersApi, products: ProductsApi, user: User, product: Product
) -> None:
    """Calls the operations of the cart, and reads the carts of users and products."""
    draft = CartItemDraft(user_id=user.id, product_id=product.id)
    item = walk.ok(cart.add_cart_item, draft).data
    assert (item.user, item.product) == (user, product)
    orphan = CartItemDraft(user_id=user.id, product_id=ABSENT)
    walk.fails("409 CONFLICT PRODUCT_MISSING", cart.add_cart_item, orphan)

    assert walk.ok(cart.get_cart_item, item.id).data == item
    walk.fails("404 NOT_FOUND", cart.get_cart_item, ABSENT)
    assert item in walk.ok(cart.list_cart_items).data
    walk.refuses(cart.list_cart_items, "limit", lambda: cart.list_cart_items(limit=0))

    (shown,) = walk.ok(users.get_user_cart, user.id).data
    assert (shown.id, shown.product) == (item.id, product)
    walk.fails("404 NOT_FOUND", users.get_user_cart, ABSENT)
    (holder,) = walk.ok(products.get_product_carts, product.id).data
    assert (holder.id, holder.user) == (item.id, user)
    walk.fails("404 NOT_FOUND", products.get_product_carts, ABSENT)

    assert walk.ok(cart.remove_cart_item, item.id).data.cart_items_removed == 1
    walk.fails("404 NOT_FOUND", cart.remove_cart_item, item.id)
    cart.add_cart_item(draft)
    cart.add_cart_item(draft)
    assert walk.ok(cart.clear_user_cart, user.id).data.cart_items_removed == 2
    walk.fails("404 NOT_FOUND", cart.clear_user_cart, ABSENT)
    cart.add_cart_item(draft)


def main(base_url: str, record: str) -> None:
    """Calls the operations of the shop at the URL and writes the outcomes to the file."""
    walk = Walk()
    with ApiClient(Configuration(host=base_url)) as client:
        users, products, cart = UsersApi(client), ProductsApi(client), CartApi(client)
        user = walk_users(walk, users)
        product = walk_products(walk, products)
        walk_cart(walk, cart, users, products, user, product)
        assert walk.ok(products.delete_product, product.id).data.cart_items_removed == 1
        walk.fails("404 NOT_FOUND", products.delete_product, product.id)
        assert walk.ok(users.delete_user, user.id).data.cart_items_removed == 0
        walk.fails("404 NOT_FOUND", users.delete_user, user.id)
    Path(record).write_text(json.dumps(walk.outcomes, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
