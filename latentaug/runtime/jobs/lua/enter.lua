-- Enter into the ledger what is stored at a path, in place of what was entered there before.
-- ARGV: path, owner or '' for nothing, bytes.
local path, owner, size = unpack(ARGV)
local before = redis.call('HGET', key('stored'), path)
if before then
  local earlier_owner, earlier_size = string.match(before, '^(.*) (%d+)$')
  redis.call('HINCRBY', key('stored-bytes'), earlier_owner, '-' .. earlier_size)
end
if owner == '' then
  redis.call('HDEL', key('stored'), path)
else
  redis.call('HSET', key('stored'), path, owner .. ' ' .. size)
  redis.call('HINCRBY', key('stored-bytes'), owner, size)
end
