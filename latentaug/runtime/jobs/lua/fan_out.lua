-- Split a running job into sub-jobs.
-- ARGV: id, attempt, now, now in seconds, the progress before and after, then the sub-jobs' names and parameters.
-- Returns 1 where the attempt still has the job. What it has split off already, before an answer that was lost, stays.
local id, attempt, now, seconds, low, high = unpack(ARGV, 1, 6)
local job = owned(id, attempt)
if not job then return 0 end
for i = 7, #ARGV, 2 do
  local sub_job = id .. '_' .. ARGV[i]
  if not state(sub_job).status then
    redis.call('HSET', key('job', sub_job), 'id', sub_job, 'kind', job.kind, 'status', 'queued', 'attempt', 1,
      'created_at', now, 'queued_at', seconds, 'params', ARGV[i + 1])
    if job.tenant then redis.call('HSET', key('job', sub_job), 'tenant', job.tenant) end
    redis.call('ZADD', key('sub-jobs', id, 'queued'), 0, sub_job)
  end
end
redis.call('HSET', key('job', id), 'low', low, 'high', high, 'since', seconds, 'total', (#ARGV - 6) / 2, 'worked', 0)
count_sub_jobs(id)
return 1
