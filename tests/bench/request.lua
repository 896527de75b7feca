-- The requests that wrk sends, and its report: one line of JSON, the last one of its output.
--
-- Arguments after `--`:  get PATH                     the same request each time
--                        get PREFIX HIGHEST SUFFIX    PREFIX, a random id up to HIGHEST, SUFFIX
--                        add USERS PRODUCTS           POST /api/cart with random ids up to these
--                        sign-up                      POST /api/users with a new email address each time
--                        paced MEAN ...               one of these, after a random delay of MEAN milliseconds
--                                                     on average
--
-- Requests are concatenated here, because wrk.format takes longer than some responses.

local threads = 0

function setup(thread)
   threads = threads + 1
   thread:set("seed", threads)
end

local function get(prefix, highest, suffix)
   local head = "GET " .. prefix
   local tail = (suffix or "") .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n\r\n"
   if not highest then
      local same = head .. tail
      return function() return same end
   end
   highest = tonumber(highest)
   return function() return head .. math.random(highest) .. tail end
end

local function add(users, products)
   users, products = tonumber(users), tonumber(products)
   local head = "POST /api/cart HTTP/1.1\r\nHost: " .. wrk.headers["Host"] ..
      "\r\nContent-Type: application/json\r\nContent-Length: "
   return function()
      local body = '{"user_id":' .. math.random(users) .. ',"product_id":' .. math.random(products) .. "}"
      return head .. #body .. "\r\n\r\n" .. body
   end
end

local function sign_up()
   local head = "POST /api/users HTTP/1.1\r\nHost: " .. wrk.headers["Host"] ..
      "\r\nContent-Type: application/json\r\nContent-Length: "
   -- Different in each run and thread.
   local name, number = os.time() .. "-" .. seed, 0
   return function()
      number = number + 1
      local body = '{"email":"sign-up-' .. name .. "-" .. number .. '@example.com","password":"secret","role":"USER"}'
      return head .. #body .. "\r\n\r\n" .. body
   end
end

function init(args)
   math.randomseed(seed)
   local kinds = { get = get, add = add, ["sign-up"] = sign_up }
   local first = 1
   if args[1] == "paced" then
      local mean = tonumber(args[2])
      -- The times between the requests of many connections are then distributed as those of strangers.
      function delay() return -mean * math.log(1 - math.random()) end
      first = 3
   end
   request = kinds[args[first]](args[first + 1], args[first + 2], args[first + 3])
end

-- A placeholder, so that wrk calls it for each request; init replaces it.
function request() end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"seconds":%.6f,"mean_ms":%.4f,"p50_ms":%.4f,"p99_ms":%.4f,"errors":%d}\n',
      summary.requests, summary.duration / 1e6, latency.mean / 1000,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000,
      errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
