-- Load on the database itself, for sysbench: prepared statements, autocommit, one connection for each
-- thread. Reports one line of JSON.
--
--   point  one product by a random id
--   add    the statements of a naive POST /api/cart: whether the user and the product exist, an insert

sysbench.cmdline.options = {
   load = { "point or add", "point" },
   users = { "highest user id", 10000 },
   products = { "highest product id", 10000 },
}

local INT = sysbench.sql.type.INT

-- Prepares a statement with integer parameters. Returns a function of these parameters.
local function prepared(connection, sql, count)
   local statement = connection:prepare(sql)
   local parameters = {}
   for i = 1, count do
      parameters[i] = statement:bind_create(INT)
   end
   statement:bind_param(unpack(parameters))
   return function(...)
      for i, value in ipairs({ ... }) do
         parameters[i]:set(value)
      end
      statement:execute()
   end
end

local function point(connection)
   local find = prepared(connection, "SELECT id, title, image_url, description FROM products WHERE id = ?", 1)
   local products = sysbench.opt.products
   return function() find(sysbench.rand.uniform(1, products)) end
end

local function add(connection)
   local find_user = prepared(connection, "SELECT id FROM users WHERE id = ?", 1)
   local find_product = prepared(connection, "SELECT id FROM products WHERE id = ?", 1)
   local insert = prepared(connection, "INSERT INTO cart (user_id, product_id) VALUES (?, ?)", 2)
   local users, products = sysbench.opt.users, sysbench.opt.products
   return function()
      local user, product = sysbench.rand.uniform(1, users), sysbench.rand.uniform(1, products)
      find_user(user)
      find_product(product)
      insert(user, product)
   end
end

function thread_init()
   local loads = { point = point, add = add }
   connection = sysbench.sql.driver():connect()
   event = loads[sysbench.opt.load](connection)
end

-- A placeholder that sysbench requires; thread_init replaces it.
function event() end

function sysbench.hooks.report_cumulative(stat)
   print(string.format(
      '{"requests":%d,"seconds":%.6f,"p99_ms":%.4f,"errors":%d}',
      stat.events, stat.time_total, stat.latency_pct * 1000, stat.errors))
end
