-- End a job, and with it its sub-jobs.
-- ARGV: id, attempt or '' for any, status, now, now in seconds, result or '', error or '', the end event, seconds for
-- which its events are kept, seconds that it ran, '1' where its webhook is to be sent. Returns 'done', or why not.
local id, attempt, status, now, seconds, result, error, event, kept, ran, webhook = unpack(ARGV)
local job = state(id)
if not job.status then return 'missing' end
if job.status ~= 'queued' and job.status ~= 'running' then return job.status end
if attempt ~= '' and not owned(id, attempt) then return 'lost' end
close(job, status, now, result, error)
redis.call('ZADD', key('ends'), seconds, id)
local name, owner = unpack(redis.call('HMGET', key('job', id), 'reserved', 'owner'))
if name then redis.call('DEL', key('reserved', name)) end
if owner then redis.call('SREM', key('unfinished', owner), id) end
for _, shelf in ipairs({'queued', 'running', 'succeeded', 'failed'}) do
  for _, sub_job in ipairs(redis.call('ZRANGE', key('sub-jobs', id, shelf), 0, -1)) do
    redis.call('DEL', key('job', sub_job), key('lease', sub_job))
  end
end
if redis.call('DEL', key('sub-jobs', id, 'queued'), key('sub-jobs', id, 'running')) > 0 then count_sub_jobs(id) end
redis.call('DEL', key('sub-jobs', id, 'succeeded'), key('sub-jobs', id, 'failed'))
-- A process whose job was cancelled must go. One that has ended its job itself may still be writing the last files, and
-- what it works at is how the queue's process knows so.
if status == 'cancelled' then
  redis.call('DEL', key('processes', id))
else
  redis.call('EXPIRE', key('processes', id), kept)
end
redis.call('SADD', key('unstored'), id)
redis.call('HINCRBY', key('ended'), job.kind .. ':' .. status, 1)
redis.call('HINCRBYFLOAT', key('counted'), 'seconds:' .. job.kind .. ':' .. status, ran)
emit(id, 'end', event)
redis.call('EXPIRE', key('events', id), kept)
if webhook == '1' then redis.call('ZADD', key('webhooks'), seconds, id) end
return 'done'
