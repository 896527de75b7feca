// Calls every operation of the shop with the generated Go client.
//
// Every operation is called at least twice: once it succeeds, and once it fails with the error
// that the contract promises. This client checks the range of a required parameter before it
// sends, and nothing else. Where the client refuses a request, the walk expects this.
//
// Usage: walk BASE_URL RECORD
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"reflect"
	"strings"

	"example.com/shop/ecommerce"
)

// A valid id that does not exist.
const absent = 2_147_483_647

var (
	ctx = context.Background()
	// The outcomes of the calls, by operationId.
	outcomes = map[string][]string{}
)

// A request is ready to be sent, and its response contains a T.
type request[T any] interface {
	Execute() (*T, *http.Response, error)
}

// operationID is the id of the operation of a request: createUser for an ApiCreateUserRequest.
func operationID(request any) string {
	name := reflect.TypeOf(request).Name()
	name = strings.TrimSuffix(strings.TrimPrefix(name, "Api"), "Request")
	return strings.ToLower(name[:1]) + name[1:]
}

func note(request any, outcome string) {
	operation := operationID(request)
	for _, seen := range outcomes[operation] {
		if seen == outcome {
			return
		}
	}
	outcomes[operation] = append(outcomes[operation], outcome)
	fmt.Printf("%-16s %s\n", operation, outcome)
}

// ok sends a request that must succeed and returns the body of the response.
func ok[T any](request request[T]) *T {
	response, _, err := request.Execute()
	if err != nil {
		log.Panicf("%s failed: %v", operationID(request), err)
	}
	note(request, "ok")
	return response
}

// describe returns the code of an error, its reason if any and, for a 400, its details.
func describe(operation string, failure *ecommerce.GenericOpenAPIError) string {
	envelope, typed := failure.Model().(ecommerce.ErrorResponse)
	if !typed || envelope.Success {
		log.Panicf("%s: no typed error: %s", operation, failure.Body())
	}
	outcome := " " + envelope.Error.Code
	if envelope.Error.Reason != nil {
		outcome += " " + *envelope.Error.Reason
	}
	for _, detail := range envelope.Error.Details {
		outcome += " " + detail.GetIn() + ":" + detail.Field
	}
	return outcome
}

// fails sends a request that must fail with this status and this text of describe.
func fails[T any](request request[T], expected string) {
	_, response, err := request.Execute()
	var failure *ecommerce.GenericOpenAPIError
	if !errors.As(err, &failure) {
		log.Panicf("%s must fail: %s, not: %v", operationID(request), expected, err)
	}
	outcome := fmt.Sprint(response.StatusCode)
	// A 304 has no body.
	if response.StatusCode != http.StatusNotModified {
		outcome += describe(operationID(request), failure)
	}
	equal(outcome, expected)
	note(request, outcome)
}

// refuses checks that the client does not send a request, because of this parameter.
func refuses[T any](request request[T], parameter string) {
	_, response, err := request.Execute()
	if response != nil || err == nil || !strings.HasPrefix(err.Error(), parameter+" must be ") {
		log.Panicf("%s must not be sent, because of %s: %v", operationID(request), parameter, err)
	}
	note(request, "not sent: "+parameter)
}

func equal(seen, expected any) {
	if !reflect.DeepEqual(seen, expected) {
		log.Panicf("%+v, not %+v", seen, expected)
	}
}

// walkUsers calls all operations on users except the deletion.
func walkUsers(users *ecommerce.UsersAPIService) ecommerce.User {
	draft := *ecommerce.NewUserDraft("ada@go.example", "correct horse", ecommerce.ROLE_USER)
	ada := ok[ecommerce.UserResponse](users.CreateUser(ctx).UserDraft(draft)).Data
	fails[ecommerce.UserResponse](users.CreateUser(ctx).UserDraft(draft),
		"409 CONFLICT EMAIL_TAKEN")
	wrong := *ecommerce.NewUserDraft("ada", "short", ecommerce.ROLE_USER)
	fails[ecommerce.UserResponse](users.CreateUser(ctx).UserDraft(wrong),
		"400 VALIDATION_ERROR body:/email body:/password")

	equal(ok[ecommerce.UserResponse](users.GetUser(ctx, ada.Id)).Data, ada)
	fails[ecommerce.UserResponse](users.GetUser(ctx, absent), "404 NOT_FOUND")
	refuses[ecommerce.UserResponse](users.GetUser(ctx, 0), "id")

	everyone := ok[ecommerce.UserListResponse](users.ListUsers(ctx))
	equal(everyone.Pagination, (*ecommerce.Pagination)(nil))
	total := len(everyone.Data)
	equal(everyone.Data[total-1], ada)
	page := ok[ecommerce.UserListResponse](users.ListUsers(ctx).Page(2).Limit(1))
	equal(page.Data, everyone.Data[1:2])
	pagination := page.Pagination
	equal([]any{pagination.Page, pagination.Limit, pagination.Total},
		[]any{int32(2), int32(1), int64(total)})
	fails[ecommerce.UserListResponse](users.ListUsers(ctx).Limit(1001),
		"400 VALIDATION_ERROR query:limit")
	fails[ecommerce.UserListResponse](users.ListUsers(ctx).Q("ada"), "400 VALIDATION_ERROR query:q")
	found, response, err := users.ListUsers(ctx).Limit(1).Sort("-id").Q("ADA@go").
		Role(ecommerce.ROLE_USER).XRequestId("walk-go").Execute()
	if err != nil {
		log.Panic(err)
	}
	equal(found.Data, []ecommerce.User{ada})
	equal(response.Header.Get("X-Total-Count"), "1")
	equal(response.Header.Get("X-Request-Id"), "walk-go")
	equal(strings.Contains(response.Header.Get("Link"), `rel="last"`), true)

	change := func(id int32, changes ecommerce.UserChanges) ecommerce.ApiUpdateUserRequest {
		return users.UpdateUser(ctx, id).UserChanges(changes)
	}
	promotion := ecommerce.UserChanges{Role: ecommerce.ROLE_ADMIN.Ptr()}
	ada.Role = ecommerce.ROLE_ADMIN
	equal(ok[ecommerce.UserResponse](change(ada.Id, promotion)).Data, ada)
	fails[ecommerce.UserResponse](change(absent, ecommerce.UserChanges{}), "404 NOT_FOUND")
	taken := ecommerce.UserChanges{Email: &everyone.Data[0].Email}
	fails[ecommerce.UserResponse](change(ada.Id, taken), "409 CONFLICT EMAIL_TAKEN")

	// The update succeeds only if the user is unchanged since the response with this tag.
	_, seen, err := users.GetUser(ctx, ada.Id).Execute()
	if err != nil {
		log.Panic(err)
	}
	ok[ecommerce.UserResponse](change(ada.Id, promotion).IfMatch(seen.Header.Get("ETag")))
	fails[ecommerce.UserResponse](change(ada.Id, promotion).IfMatch(`"old"`),
		"412 PRECONDITION_FAILED")
	fails[ecommerce.UserResponse](
		users.GetUser(ctx, ada.Id).IfNoneMatch(seen.Header.Get("ETag")), "304")

	// The data of a response may be sent back, but not to another id.
	shown := ecommerce.UserChanges{Id: &ada.Id, Email: &ada.Email, Role: &ada.Role}
	equal(ok[ecommerce.UserResponse](change(ada.Id, shown)).Data, ada)
	other := int32(absent)
	fails[ecommerce.UserResponse](change(ada.Id, ecommerce.UserChanges{Id: &other}),
		"400 VALIDATION_ERROR body:/id")
	return ada
}

// walkProducts calls all operations on products except the deletion.
func walkProducts(products *ecommerce.ProductsAPIService) ecommerce.Product {
	draft := *ecommerce.NewProductDraft("Teapot 🫖")
	draft.SetImageUrl("/images/teapot.jpg")
	draft.SetDescription("Brown")
	teapot := ok[ecommerce.ProductResponse](products.CreateProduct(ctx).ProductDraft(draft)).Data
	equal(teapot.Title, "Teapot 🫖")
	equal(ok[ecommerce.ProductResponse](products.GetProduct(ctx, teapot.Id)).Data, teapot)
	fails[ecommerce.ProductResponse](products.GetProduct(ctx, absent), "404 NOT_FOUND")
	untitled := *ecommerce.NewProductDraft("")
	fails[ecommerce.ProductResponse](products.CreateProduct(ctx).ProductDraft(untitled),
		"400 VALIDATION_ERROR body:/title")

	everything := ok[ecommerce.ProductListResponse](products.ListProducts(ctx))
	equal(everything.Data[len(everything.Data)-1], teapot)
	page := ok[ecommerce.ProductListResponse](products.ListProducts(ctx).Limit(2))
	equal(page.Data, everything.Data[:2])
	fails[ecommerce.ProductListResponse](products.ListProducts(ctx).Page(0),
		"400 VALIDATION_ERROR query:page")

	// An absent property is unchanged; null clears it.
	change := func(id int32, changes ecommerce.ProductChanges) ecommerce.ApiUpdateProductRequest {
		return products.UpdateProduct(ctx, id).ProductChanges(changes)
	}
	retitled := *ecommerce.NewProductChanges()
	retitled.SetTitle("Pot 🫖")
	teapot.Title = "Pot 🫖"
	equal(ok[ecommerce.ProductResponse](change(teapot.Id, retitled)).Data, teapot)
	cleared := *ecommerce.NewProductChanges()
	cleared.SetImageUrlNil()
	teapot.ImageUrl.Set(nil)
	equal(ok[ecommerce.ProductResponse](change(teapot.Id, cleared)).Data, teapot)
	fails[ecommerce.ProductResponse](change(absent, ecommerce.ProductChanges{}), "404 NOT_FOUND")
	return teapot
}

// walkCart calls the operations of the cart, and reads the carts of users and products.
func walkCart(shop *ecommerce.APIClient, user ecommerce.User, product ecommerce.Product) {
	users, products, cart := shop.UsersAPI, shop.ProductsAPI, shop.CartAPI
	add := func(user, product int32) ecommerce.ApiAddCartItemRequest {
		return cart.AddCartItem(ctx).CartItemDraft(*ecommerce.NewCartItemDraft(user, product))
	}
	item := ok[ecommerce.CartItemResponse](add(user.Id, product.Id)).Data
	equal(item.User, user)
	equal(item.Product, product)
	fails[ecommerce.CartItemResponse](add(user.Id, absent), "409 CONFLICT PRODUCT_MISSING")

	equal(ok[ecommerce.CartItemResponse](cart.GetCartItem(ctx, item.Id)).Data, item)
	fails[ecommerce.CartItemResponse](cart.GetCartItem(ctx, absent), "404 NOT_FOUND")
	items := ok[ecommerce.CartItemListResponse](cart.ListCartItems(ctx)).Data
	equal(items[len(items)-1], item)
	fails[ecommerce.CartItemListResponse](cart.ListCartItems(ctx).Limit(0),
		"400 VALIDATION_ERROR query:limit")

	held := ok[ecommerce.UserCartResponse](users.GetUserCart(ctx, user.Id)).Data
	equal(len(held), 1)
	equal(held[0].Product, product)
	fails[ecommerce.UserCartResponse](users.GetUserCart(ctx, absent), "404 NOT_FOUND")
	holders := ok[ecommerce.ProductCartsResponse](products.GetProductCarts(ctx, product.Id)).Data
	equal(len(holders), 1)
	equal(holders[0].User, user)
	fails[ecommerce.ProductCartsResponse](products.GetProductCarts(ctx, absent), "404 NOT_FOUND")

	removal := ok[ecommerce.RemovalResponse](cart.RemoveCartItem(ctx, item.Id)).Data
	equal(removal.CartItemsRemoved, int32(1))
	fails[ecommerce.RemovalResponse](cart.RemoveCartItem(ctx, item.Id), "404 NOT_FOUND")
	ok[ecommerce.CartItemResponse](add(user.Id, product.Id))
	ok[ecommerce.CartItemResponse](add(user.Id, product.Id))
	removal = ok[ecommerce.RemovalResponse](cart.ClearUserCart(ctx, user.Id)).Data
	equal(removal.CartItemsRemoved, int32(2))
	fails[ecommerce.RemovalResponse](cart.ClearUserCart(ctx, absent), "404 NOT_FOUND")
	ok[ecommerce.CartItemResponse](add(user.Id, product.Id))
}

// walkDeletions deletes the product, with the last cart item, and the user.
func walkDeletions(shop *ecommerce.APIClient, user, product int32) {
	removal := ok[ecommerce.RemovalResponse](shop.ProductsAPI.DeleteProduct(ctx, product)).Data
	equal(removal.CartItemsRemoved, int32(1))
	fails[ecommerce.RemovalResponse](shop.ProductsAPI.DeleteProduct(ctx, product), "404 NOT_FOUND")
	removal = ok[ecommerce.RemovalResponse](shop.UsersAPI.DeleteUser(ctx, user)).Data
	equal(removal.CartItemsRemoved, int32(0))
	fails[ecommerce.RemovalResponse](shop.UsersAPI.DeleteUser(ctx, user), "404 NOT_FOUND")
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: walk BASE_URL RECORD")
	}
	configuration := ecommerce.NewConfiguration()
	configuration.Servers = ecommerce.ServerConfigurations{{URL: os.Args[1]}}
	shop := ecommerce.NewAPIClient(configuration)
	user := walkUsers(shop.UsersAPI)
	product := walkProducts(shop.ProductsAPI)
	walkCart(shop, user, product)
	walkDeletions(shop, user.Id, product.Id)
	record, err := json.MarshalIndent(outcomes, "", "  ")
	if err == nil {
		err = os.WriteFile(os.Args[2], append(record, '\n'), 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
