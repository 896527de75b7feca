# frozen_string_literal: true

# Calls every operation of the shop with the generated Ruby client.
#
# Every operation is called at least twice: once it succeeds, and once it fails with the error that
# the contract promises. This client checks ranges and lengths before it sends; where it refuses,
# this refusal is expected.
#
# Usage: shop.rb BASE_URL RECORD (with the client's lib directory in the load path)

require 'json'
require 'uri'
require 'ecommerce_client'

include EcommerceClient

# A valid id that does not exist.
ABSENT = 2_147_483_647

def same(seen, expected)
  raise "#{seen.inspect}, not #{expected.inspect}" unless seen == expected
end

# Calls operations, and records the outcomes of each by its operationId.
class Walk
  attr_reader :outcomes

  def initialize
    @outcomes = {}
  end

  # Calls an operation that must succeed and returns the response.
  def ok(operation, *arguments)
    response = operation.call(*arguments)
    note(operation, 'ok')
    response
  end

  # Checks that the operation fails with this status, code, reason (if any) and, for a 400, details.
  def fails(expected, operation, *arguments)
    failure = failure_of(operation, *arguments)
    outcome = failure.code.to_s
    # A 304 has no body. This client does not parse the bodies of errors.
    unless failure.code == 304
      envelope = ErrorResponse.build_from_hash(JSON.parse(failure.response_body, symbolize_names: true))
      same(envelope.success, false)
      fields = (envelope.error.details || []).map { |detail| "#{detail._in}:#{detail.field}" }
      outcome = [outcome, envelope.error.code, *envelope.error.reason, *fields].join(' ')
    end
    same(outcome, expected)
    note(operation, outcome)
  end

  # Checks that the client refuses the argument and does not send the request.
  def refuses(operation, argument)
    yield
  rescue ArgumentError => e
    raise unless e.message.include?(argument)

    note(operation, "not sent: #{argument}")
  else
    raise "the client accepted an invalid #{argument}"
  end

  private

  def failure_of(operation, *arguments)
    operation.call(*arguments)
  rescue ApiError => e
    e
  else
    raise "#{operation.name} succeeded"
  end

  def note(operation, outcome)
    words = operation.name.to_s.delete_suffix('_with_http_info').split('_')
    name = words.first + words.drop(1).map(&:capitalize).join
    seen = (@outcomes[name] ||= [])
    return if seen.include?(outcome)

    seen << outcome
    puts format('%-16s %s', name, outcome)
  end
end

# Calls all operations on users except the deletion.
def walk_users(walk, users)
  create, get, list, update = %i[create_user get_user list_users update_user].map { users.method(_1) }
  draft = UserDraft.new(email: 'ada@ruby.example', password: 'correct horse', role: Role::USER)
  ada = walk.ok(create, draft).data
  same([ada.email, ada.role], ['ada@ruby.example', Role::USER])
  walk.fails('409 CONFLICT EMAIL_TAKEN', create, draft)
  # The client checks lengths, but not the format of an email address.
  no_address = UserDraft.new(email: 'ada', password: 'correct horse', role: Role::USER)
  walk.fails('400 VALIDATION_ERROR body:/email', create, no_address)
  walk.refuses(create, 'password') { draft.password = 'short' }

  same(walk.ok(get, ada.id).data, ada)
  walk.fails('404 NOT_FOUND', get, ABSENT)
  walk.refuses(get, '"id"') { users.get_user(0) }

  everyone = walk.ok(list)
  same([everyone.pagination, everyone.data.last], [nil, ada])
  page = walk.ok(list, { page: 2, limit: 1 })
  same(page.data, everyone.data[1, 1])
  same(page.pagination, Pagination.new(page: 2, limit: 1, total: everyone.data.size))
  walk.refuses(list, 'limit') { users.list_users(limit: 1001) }
  walk.fails('400 VALIDATION_ERROR query:q', list, { q: 'ada' })
  filter = { limit: 1, sort: '-id', q: 'ADA@ru', role: Role::USER, x_request_id: 'walk-ruby' }
  found, _, headers = users.list_users_with_http_info(filter)
  same([found.data, headers['X-Total-Count'], headers['X-Request-Id']], [[ada], '1', 'walk-ruby'])
  same(headers['Link'].include?('rel="last"'), true)

  promotion = UserChanges.new(role: Role::ADMIN)
  ada.role = Role::ADMIN
  same(walk.ok(update, ada.id, promotion).data, ada)
  walk.fails('404 NOT_FOUND', update, ABSENT, UserChanges.new)
  taken = UserChanges.new(email: everyone.data.first.email)
  walk.fails('409 CONFLICT EMAIL_TAKEN', update, ada.id, taken)

  # The tag of the current state.
  _, _, headers = walk.ok(users.method(:get_user_with_http_info), ada.id)
  walk.ok(update, ada.id, promotion, { if_match: headers['ETag'] })
  walk.fails('412 PRECONDITION_FAILED', update, ada.id, promotion, { if_match: '"old"' })
  walk.fails('304', get, ada.id, { if_none_match: headers['ETag'] })

  # The data of a response may be sent back, but not to another id.
  same(walk.ok(update, ada.id, UserChanges.new(ada.to_hash)).data, ada)
  walk.fails('400 VALIDATION_ERROR body:/id', update, ada.id, UserChanges.new(id: ABSENT))
  ada
end

# Calls all operations on products except the deletion.
def walk_products(walk, products)
  create, get, list, update =
    %i[create_product get_product list_products update_product].map { products.method(_1) }
  draft = ProductDraft.new(title: 'Teapot 🫖', image_url: '/images/teapot.jpg', description: 'Brown')
  teapot = walk.ok(create, draft).data
  same(teapot.title, 'Teapot 🫖')
  same(walk.ok(get, teapot.id).data, teapot)
  walk.fails('404 NOT_FOUND', get, ABSENT)
  walk.refuses(create, 'title') { ProductDraft.new(title: '') }

  everything = walk.ok(list).data
  same(everything.last, teapot)
  same(walk.ok(list, { limit: 2 }).data, everything.first(2))
  walk.refuses(list, 'page') { products.list_products(page: 0) }

  # An absent property is unchanged; null clears it.
  teapot.title = 'Pot 🫖'
  same(walk.ok(update, teapot.id, ProductChanges.new(title: 'Pot 🫖')).data, teapot)
  teapot.image_url = nil
  same(walk.ok(update, teapot.id, ProductChanges.new(image_url: nil)).data, teapot)
  walk.refuses(update, 'title') { ProductChanges.new(title: nil) }
  walk.fails('404 NOT_FOUND', update, ABSENT, ProductChanges.new)
  teapot
end

# Calls the operations of the cart, and reads the carts of users and products.
def walk_cart(walk, cart, users, products, user, product)
  add, get, list, remove, clear =
    %i[add_cart_item get_cart_item list_cart_items remove_cart_item clear_user_cart].map { cart.method(_1) }
  draft = CartItemDraft.new(user_id: user.id, product_id: product.id)
  item = walk.ok(add, draft).data
  same([item.user, item.product], [user, product])
  walk.fails('409 CONFLICT PRODUCT_MISSING', add, CartItemDraft.new(user_id: user.id, product_id: ABSENT))

  same(walk.ok(get, item.id).data, item)
  walk.fails('404 NOT_FOUND', get, ABSENT)
  same(walk.ok(list).data.last, item)
  walk.refuses(list, 'limit') { cart.list_cart_items(limit: 0) }

  held = walk.ok(users.method(:get_user_cart), user.id).data
  same(held.map(&:product), [product])
  walk.fails('404 NOT_FOUND', users.method(:get_user_cart), ABSENT)
  holders = walk.ok(products.method(:get_product_carts), product.id).data
  same(holders.map(&:user), [user])
  walk.fails('404 NOT_FOUND', products.method(:get_product_carts), ABSENT)

  same(walk.ok(remove, item.id).data.cart_items_removed, 1)
  walk.fails('404 NOT_FOUND', remove, item.id)
  2.times { cart.add_cart_item(draft) }
  same(walk.ok(clear, user.id).data.cart_items_removed, 2)
  walk.fails('404 NOT_FOUND', clear, ABSENT)
  cart.add_cart_item(draft)
end

# Calls the deletions. The deletion of the product removes the last cart item, too.
def walk_deletions(walk, users, products, user, product)
  delete_product, delete_user = products.method(:delete_product), users.method(:delete_user)
  same(walk.ok(delete_product, product.id).data.cart_items_removed, 1)
  walk.fails('404 NOT_FOUND', delete_product, product.id)
  same(walk.ok(delete_user, user.id).data.cart_items_removed, 0)
  walk.fails('404 NOT_FOUND', delete_user, user.id)
end

base_url, record = ARGV
configuration = Configuration.new do |settings|
  url = URI(base_url)
  settings.scheme = url.scheme
  settings.host = "#{url.host}:#{url.port}"
  # Without a token, this client would send an empty one.
  settings.access_token = ENV.fetch('SHOP_TOKEN')
end
client = ApiClient.new(configuration)
users, products, cart = UsersApi.new(client), ProductsApi.new(client), CartApi.new(client)
walk = Walk.new
user = walk_users(walk, users)
product = walk_products(walk, products)
walk_cart(walk, cart, users, products, user, product)
walk_deletions(walk, users, products, user, product)
File.write(record, "#{JSON.pretty_generate(walk.outcomes)}\n")
