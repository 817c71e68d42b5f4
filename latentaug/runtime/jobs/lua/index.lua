-- Add jobs to the index.
-- ARGV: for each job its id, kind, status, and the second in which it ended or ''. Where Redis has a job's record, that
-- one counts, for it may have moved on since it was read; a job that has no record there is added only if it has ended.
for i = 1, #ARGV, 4 do
  local id, kind, status, ended = unpack(ARGV, i, i + 3)
  local job = state(id)
  if job.status then kind, status = job.kind, job.status end
  if job.status or ended ~= '' then redis.call('ZADD', key('jobs', kind, status), 0, id) end
  if ended ~= '' then redis.call('ZADD', key('ends'), ended, id) end
end
