-- Takes what a request may use at most from every limit that holds for it, or from none of them.
-- KEYS: four for each limit: entries (sorted set, by when they came or end), amounts (hash), their sum, what was spent.
-- ARGV[1]: the reservation's id. ARGV[2]: JSON, a list of {limit, amount, span, spent}; span in milliseconds.
-- `spent` is there for a budget alone: what the database knows was spent.
-- Gives {1}, or {0, index of the limit that is reached, how much of it is used, milliseconds to wait}.
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local limits = cjson.decode(ARGV[2])
local function text(number) return string.format('%.0f', number) end

for index, limit in ipairs(limits) do
  local entries, amounts, sum, spent = unpack(KEYS, index * 4 - 3, index * 4)
  local old = redis.call('ZRANGEBYSCORE', entries, '-inf', text(now - limit.span))
  for _, id in ipairs(old) do
    redis.call('DECRBY', sum, redis.call('HGET', amounts, id) or '0')
    redis.call('HDEL', amounts, id)
    redis.call('ZREM', entries, id)
  end
  local used = tonumber(redis.call('GET', sum) or '0')
  if limit.spent then
    used = used + math.max(tonumber(redis.call('GET', spent) or '0'), limit.spent)
  end
  if used + limit.amount > limit.limit then
    local first = redis.call('ZRANGE', entries, 0, 0, 'WITHSCORES')
    local wait = first[2] and math.max(tonumber(first[2]) + limit.span - now, 1) or limit.span
    return {0, index, text(used), text(wait)}
  end
end

for index, limit in ipairs(limits) do
  local entries, amounts, sum, spent = unpack(KEYS, index * 4 - 3, index * 4)
  redis.call('ZADD', entries, text(now), ARGV[1])
  redis.call('HSET', amounts, ARGV[1], text(limit.amount))
  redis.call('INCRBY', sum, text(limit.amount))
  for _, key in ipairs({entries, amounts, sum}) do redis.call('PEXPIRE', key, text(limit.span * 2)) end
  if limit.spent then
    if tonumber(redis.call('GET', spent) or '0') < limit.spent then redis.call('SET', spent, text(limit.spent)) end
    redis.call('PEXPIRE', spent, '3456000000')
  end
end
return {1}
