-- Take a queued job or sub-job.
-- ARGV: id, attempt, now, milliseconds of the lease, the latest format of records that the caller reads, and the options
-- that it knows: JSON, true by name by kind. Returns 1 where it was to be had; a job of a later format, or with an option
-- that the caller does not know, waits for a newer worker.
local id, attempt, now, lease, readable, options = unpack(ARGV)
local job = state(id)
if job.status ~= 'queued' or job.attempt ~= attempt then return 0 end
local format, params = unpack(redis.call('HMGET', key('job', job.parent or id), 'format', 'params'))
if tonumber(format or '1') > tonumber(readable) then return 0 end
local known = cjson.decode(options)[job.kind]
for name in pairs(cjson.decode(params or '{}')) do
  if not known[name] then return 0 end
end
claim(job, now, lease)
return 1
