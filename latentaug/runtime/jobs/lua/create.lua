-- Create a queued job.
-- ARGV: id, kind, most queued, request's digest or '', digest of what it asks, seconds to remember it, name to reserve
-- or '', owner of the key or '', most unfinished jobs of an owner or '', number of paths that it uses, these paths, then
-- the hash's fields. Returns the outcome and the job or path that it is about.
local id, kind, most, request, digest, seconds, name, owner, most_owned, paths = unpack(ARGV, 1, 10)
local fields = 11 + paths
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
for i = 11, fields - 1 do
  if redis.call('EXISTS', key('deleting', ARGV[i])) == 1 then return {'deleting', ARGV[i]} end
end
if redis.call('ZCARD', key('jobs', kind, 'queued')) >= tonumber(most) then return {'full', ''} end
if owner ~= '' then
  if most_owned ~= '' and redis.call('SCARD', key('unfinished', owner)) >= tonumber(most_owned) then
    return {'enough', ''}
  end
  redis.call('SADD', key('unfinished', owner), id)
  redis.call('HSET', key('job', id), 'owner', owner)
end
redis.call('HSET', key('job', id), unpack(ARGV, fields))
shelve(state(id), 'queued')
if name ~= '' then
  redis.call('SET', key('reserved', name), id)
  redis.call('HSET', key('job', id), 'reserved', name)
end
if request ~= '' then
  redis.call('HSET', key('request', request), 'id', id, 'digest', digest)
  redis.call('EXPIRE', key('request', request), seconds)
end
return {'created', id}
