-- Puts what a request really used in the place of what was taken for it.
-- KEYS as in reservations.lua. ARGV[1]: the reservation's id. ARGV[2]: JSON, a list of {amount, keep, spend}: `keep`
-- leaves an entry with the amount for the rest of its span; `spend` adds the amount to what was spent.
local entries_of = cjson.decode(ARGV[2])
local function text(number) return string.format('%.0f', number) end
for index, settled in ipairs(entries_of) do
  local entries, amounts, sum, spent = unpack(KEYS, index * 4 - 3, index * 4)
  local held = redis.call('HGET', amounts, ARGV[1])
  if held then
    if settled.keep then
      redis.call('INCRBY', sum, text(settled.amount - tonumber(held)))
      redis.call('HSET', amounts, ARGV[1], text(settled.amount))
    else
      redis.call('DECRBY', sum, held)
      redis.call('HDEL', amounts, ARGV[1])
      redis.call('ZREM', entries, ARGV[1])
    end
  end
  if settled.spend and settled.amount > 0 then
    redis.call('INCRBY', spent, text(settled.amount))
    redis.call('PEXPIRE', spent, '3456000000')
  end
end
return 1
