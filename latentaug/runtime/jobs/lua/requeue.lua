-- Put a running job or sub-job back in its queue, as its next attempt.
-- ARGV: id, attempt, most deaths or '' where no process died, now in seconds. Returns 'queued', 'spent' where it has
-- died too often, or 'lost' where the attempt no longer has it.
local id, attempt, most, now = unpack(ARGV)
local job = owned(id, attempt)
if not job or unfinished_sub_jobs(id) then return 'lost' end
if most ~= '' then redis.call('HINCRBY', key('counted'), 'lease_losses:' .. job.kind, 1) end
if most ~= '' and redis.call('HINCRBY', key('job', id), 'deaths', 1) >= tonumber(most) then return 'spent' end
put_back(job, now, 'queued again')
return 'queued'
