"""Calls every operation of the shop with the client of openapi-python-client.

Every operation is called at least twice: once it succeeds, and once it fails with the error that
the contract promises. This client checks nothing at run time; its types are checked by mypy.

Usage: shop.py BASE_URL RECORD
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Callable, ParamSpec, TypeVar

from attrs import evolve
from ecommerce_client import AuthenticatedClient
from ecommerce_client.api.cart import (
    add_cart_item,
    clear_user_cart,
    get_cart_item,
    list_cart_items,
    remove_cart_item,
)
from ecommerce_client.api.products import (
    create_product,
    delete_product,
    get_product,
    get_product_carts,
    list_products,
    update_product,
)
from ecommerce_client.api.users import (
    create_user,
    delete_user,
    get_user,
    get_user_cart,
    list_users,
    update_user,
)
from ecommerce_client.models import (
    CartItemDraft,
    CartItemResponse,
    ErrorResponse,
    Product,
    ProductChanges,
    ProductDraft,
    ProductResponse,
    User,
    UserChanges,
    UserDraft,
    UserListResponse,
    UserResponse,
)
from ecommerce_client.types import UNSET, Response, Unset

P = ParamSpec("P")
T = TypeVar("T")

ABSENT = 2_147_483_647
"""A valid id that does not exist."""


class Walk:
    """Calls operations, and records the outcomes of each by its operationId."""

    def __init__(self) -> None:
        self.outcomes: dict[str, list[str]] = {}

    def _note(self, operation: Callable[..., object], outcome: str) -> None:
        # Each operation is a module of its own.
        name = operation.__module__.rpartition(".")[2]
        name = re.sub("_(.)", lambda match: match[1].upper(), name)
        outcomes = self.outcomes.setdefault(name, [])
        if outcome not in outcomes:
            outcomes.append(outcome)
            print(f"{name:16} {outcome}")

    def ok(
        self, operation: Callable[P, Response[ErrorResponse | T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Calls an operation that must succeed and returns the body of the response."""
        response = operation(*args, **kwargs)
        body = response.parsed
        assert body is not None and not isinstance(body, ErrorResponse), response
        self._note(operation, "ok")
        return body

    def shows(
        self,
        model: type[T],
        operation: Callable[P, Response[Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `ok`, for an operation with a 304. The type of such a response is `Any`, so `model` is checked."""
        response = operation(*args, **kwargs)
        assert isinstance(response.parsed, model), response
        self._note(operation, "ok")
        return response.parsed

    def fails(
        self,
        expected: str,
        operation: Callable[P, Response[Any]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Checks that the operation fails with this status, code, reason (if any) and, for a 400, details."""
        response = operation(*args, **kwargs)
        outcome = str(response.status_code.value)
        # A 304 has no body.
        if response.status_code != 304:
            assert isinstance(response.parsed, ErrorResponse), response
            assert not response.parsed.success
            error = response.parsed.error
            reason = [error.reason] if error.reason else []
            fields = [f"{detail.in_}:{detail.field}" for detail in error.details or []]
            outcome = " ".join([outcome, error.code, *reason, *fields])
        assert outcome == expected, f"{outcome}, not {expected}"
        self._note(operation, outcome)


def walk_users(walk: Walk, shop: AuthenticatedClient) -> User:
    """Calls all operations on users except the deletion."""
    draft = UserDraft(email="ada@python-client.example", password="correct horse", role="USER")
    ada = walk.ok(create_user.sync_detailed, client=shop, body=draft).data
    assert (ada.email, ada.role) == (draft.email, "USER")
    expected = "409 CONFLICT EMAIL_TAKEN"
    walk.fails(expected, create_user.sync_detailed, client=shop, body=draft)
    wrong = evolve(draft, email="ada", password="short")
    expected = "400 VALIDATION_ERROR body:/email body:/password"
    walk.fails(expected, create_user.sync_detailed, client=shop, body=wrong)

    assert walk.shows(UserResponse, get_user.sync_detailed, ada.id, client=shop).data == ada
    walk.fails("404 NOT_FOUND", get_user.sync_detailed, ABSENT, client=shop)
    walk.fails("400 VALIDATION_ERROR path:id", get_user.sync_detailed, 0, client=shop)

    everyone = walk.ok(list_users.sync_detailed, client=shop)
    assert everyone.data[-1] == ada and isinstance(everyone.pagination, Unset)
    page = walk.ok(list_users.sync_detailed, client=shop, page=2, limit=1)
    assert page.data == everyone.data[1:2]
    assert not isinstance(page.pagination, Unset)
    assert (page.pagination.page, page.pagination.limit) == (2, 1)
    assert page.pagination.total == len(everyone.data)
    expected = "400 VALIDATION_ERROR query:limit"
    walk.fails(expected, list_users.sync_detailed, client=shop, limit=1001)
    walk.fails("400 VALIDATION_ERROR query:q", list_users.sync_detailed, client=shop, q="ada")
    found = list_users.sync_detailed(
        client=shop, limit=1, sort="-id", q="ADA@py", role="USER", x_request_id="walk-python-client"
    )
    assert isinstance(found.parsed, UserListResponse) and found.parsed.data == [ada]
    assert found.headers["X-Total-Count"] == "1" and 'rel="last"' in found.headers["Link"]
    assert found.headers["X-Request-Id"] == "walk-python-client"

    promotion = UserChanges(role="ADMIN")
    promoted = walk.ok(update_user.sync_detailed, ada.id, client=shop, body=promotion).data
    assert promoted == evolve(ada, role="ADMIN")
    walk.fails("404 NOT_FOUND", update_user.sync_detailed, ABSENT, client=shop, body=UserChanges())
    taken = UserChanges(email=everyone.data[0].email)
    expected = "409 CONFLICT EMAIL_TAKEN"
    walk.fails(expected, update_user.sync_detailed, ada.id, client=shop, body=taken)

    # The tag of the current state.
    tag = get_user.sync_detailed(ada.id, client=shop).headers["ETag"]
    walk.ok(update_user.sync_detailed, ada.id, client=shop, body=promotion, if_match=tag)
    expected = "412 PRECONDITION_FAILED"
    walk.fails(
        expected, update_user.sync_detailed, ada.id, client=shop, body=promotion, if_match='"old"'
    )
    walk.fails("304", get_user.sync_detailed, ada.id, client=shop, if_none_match=tag)

    # The data of a response may be sent back, but not to another id.
    shown = UserChanges.from_dict(promoted.to_dict())
    assert walk.ok(update_user.sync_detailed, ada.id, client=shop, body=shown).data == promoted
    expected, other = "400 VALIDATION_ERROR body:/id", UserChanges(id=ABSENT)
    walk.fails(expected, update_user.sync_detailed, ada.id, client=shop, body=other)
    return promoted


def walk_products(walk: Walk, shop: AuthenticatedClient) -> Product:
    """Calls all operations on products except the deletion."""
    draft = ProductDraft(title="Teapot 🫖", image_url="/images/teapot.jpg", description="Brown")
    teapot = walk.ok(create_product.sync_detailed, client=shop, body=draft).data
    assert teapot.title == "Teapot 🫖"
    shown = walk.shows(ProductResponse, get_product.sync_detailed, teapot.id, client=shop)
    assert shown.data == teapot
    walk.fails("404 NOT_FOUND", get_product.sync_detailed, ABSENT, client=shop)
    untitled = ProductDraft(title="")
    expected = "400 VALIDATION_ERROR body:/title"
    walk.fails(expected, create_product.sync_detailed, client=shop, body=untitled)

    everything = walk.ok(list_products.sync_detailed, client=shop).data
    assert everything[-1] == teapot
    page = walk.ok(list_products.sync_detailed, client=shop, limit=2)
    assert page.data == everything[:2]
    walk.fails("400 VALIDATION_ERROR query:page", list_products.sync_detailed, client=shop, page=0)

    # An absent property (`UNSET`) is unchanged; null (`None`) clears it.
    def change(changes: ProductChanges) -> Product:
        return walk.ok(update_product.sync_detailed, teapot.id, client=shop, body=changes).data

    assert ProductChanges().image_url is UNSET
    assert change(ProductChanges(title="Pot 🫖")) == evolve(teapot, title="Pot 🫖")
    cleared = evolve(teapot, title="Pot 🫖", image_url=None)
    assert change(ProductChanges(image_url=None)) == cleared
    expected, nothing = "404 NOT_FOUND", ProductChanges()
    walk.fails(expected, update_product.sync_detailed, ABSENT, client=shop, body=nothing)
    # mypy and the server both reject a title of null.
    null = ProductChanges(title=None)  # type: ignore[arg-type]
    expected = "400 VALIDATION_ERROR body:/title"
    walk.fails(expected, update_product.sync_detailed, teapot.id, client=shop, body=null)
    return cleared


def walk_cart(walk: Walk, shop: AuthenticatedClient, user: User, product: Product) -> None:
    """Calls the operations of the cart, and reads the carts of users and products."""
    draft = CartItemDraft(user_id=user.id, product_id=product.id)
    item = walk.ok(add_cart_item.sync_detailed, client=shop, body=draft).data
    assert (item.user, item.product) == (user, product)
    orphan = evolve(draft, product_id=ABSENT)
    expected = "409 CONFLICT PRODUCT_MISSING"
    walk.fails(expected, add_cart_item.sync_detailed, client=shop, body=orphan)

    again = walk.shows(CartItemResponse, get_cart_item.sync_detailed, item.id, client=shop)
    assert again.data == item
    walk.fails("404 NOT_FOUND", get_cart_item.sync_detailed, ABSENT, client=shop)
    assert walk.ok(list_cart_items.sync_detailed, client=shop).data[-1] == item
    expected = "400 VALIDATION_ERROR query:limit"
    walk.fails(expected, list_cart_items.sync_detailed, client=shop, limit=0)

    (shown,) = walk.ok(get_user_cart.sync_detailed, user.id, client=shop).data
    assert (shown.id, shown.product) == (item.id, product)
    walk.fails("404 NOT_FOUND", get_user_cart.sync_detailed, ABSENT, client=shop)
    (holder,) = walk.ok(get_product_carts.sync_detailed, product.id, client=shop).data
    assert (holder.id, holder.user) == (item.id, user)
    walk.fails("404 NOT_FOUND", get_product_carts.sync_detailed, ABSENT, client=shop)

    removal = walk.ok(remove_cart_item.sync_detailed, item.id, client=shop).data
    assert removal.cart_items_removed == 1
    walk.fails("404 NOT_FOUND", remove_cart_item.sync_detailed, item.id, client=shop)
    walk.ok(add_cart_item.sync_detailed, client=shop, body=draft)
    walk.ok(add_cart_item.sync_detailed, client=shop, body=draft)
    removal = walk.ok(clear_user_cart.sync_detailed, user.id, client=shop).data
    assert removal.cart_items_removed == 2
    walk.fails("404 NOT_FOUND", clear_user_cart.sync_detailed, ABSENT, client=shop)
    walk.ok(add_cart_item.sync_detailed, client=shop, body=draft)


def walk_deletions(walk: Walk, shop: AuthenticatedClient, user: int, product: int) -> None:
    """Calls the deletions. The deletion of the product removes the last cart item, too."""
    removal = walk.ok(delete_product.sync_detailed, product, client=shop).data
    assert removal.cart_items_removed == 1
    walk.fails("404 NOT_FOUND", delete_product.sync_detailed, product, client=shop)
    removal = walk.ok(delete_user.sync_detailed, user, client=shop).data
    assert removal.cart_items_removed == 0
    walk.fails("404 NOT_FOUND", delete_user.sync_detailed, user, client=shop)


def main(base_url: str, record: str) -> None:
    """Calls the operations of the shop at the URL and writes the outcomes to the file."""
    walk = Walk()
    # The operations take no other client than one with a token. The service runs with AUTH_MODE=off, which
    # needs none, and a text that is no token would be a 401: it is in a header that is ignored.
    with AuthenticatedClient(
        base_url=base_url,
        token="",
        prefix="",
        auth_header_name="X-Unused",
        raise_on_unexpected_status=True,
    ) as shop:
        user = walk_users(walk, shop)
        product = walk_products(walk, shop)
        walk_cart(walk, shop, user, product)
        walk_deletions(walk, shop, user.id, product.id)
    Path(record).write_text(json.dumps(walk.outcomes, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
