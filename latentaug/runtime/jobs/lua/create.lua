-- Create a queued job.
-- ARGV: id, kind, most queued, request's digest or '', digest of what it asks, seconds to remember it, name to reserve
-- or '', then the hash's fields. Returns the outcome and the job that it is about.
local id, kind, most, request, digest, seconds, name = unpack(ARGV, 1, 7)
if request ~= '' then
  local earlier = redis.call('HMGET', key('request', request), 'id', 'digest')
  if earlier[1] then
    return {earlier[2] == digest and 'earlier' or 'other_request', earlier[1]}
  end
end
if name ~= '' then
  local holder = redis.call('GET', key('reserved', name))
  if holder and holder ~= id then return {'reserved', holder} end
end
if redis.call('ZCARD', key('jobs', kind, 'queued')) >= tonumber(most) then return {'full', ''} end
redis.call('HSET', key('job', id), unpack(ARGV, 8))
redis.call('ZADD', key('jobs', kind, 'queued'), 0, id)
if name ~= '' then
  redis.call('SET', key('reserved', name), id)
  redis.call('HSET', key('job', id), 'reserved', name)
end
if request ~= '' then
  redis.call('HSET', key('request', request), 'id', id, 'digest', digest)
  redis.call('EXPIRE', key('request', request), seconds)
end
return {'created', id}
