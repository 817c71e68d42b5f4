-- What all scripts share. Keys are described in keys.py.

local function key(...) return 'latentaug:' .. table.concat({...}, ':') end

-- Where a job or sub-job is; without a status where there is none.
local function state(id)
  local found = redis.call('HMGET', key('job', id), 'status', 'attempt', 'kind', 'tenant')
  return {id = id, status = found[1], attempt = found[2], kind = found[3], tenant = found[4],
    parent = string.match(id, '^(%x+)_')}
end

-- The same, but nil unless this attempt runs.
local function owned(id, attempt)
  local now = state(id)
  if now.status == 'running' and now.attempt == attempt then return now end
end

local function emit(id, type, data)
  redis.call('XADD', key('events', id), 'MAXLEN', '~', 2000, '*', 'type', type, 'data', data)
end

local function number(id, status) return redis.call('ZCARD', key('sub-jobs', id, status)) end

local function unfinished_sub_jobs(id) return number(id, 'queued') + number(id, 'running') > 0 end

local function count_sub_jobs(id)
  redis.call('HSET', key('job', id), 'sub_jobs', cjson.encode({
    queued = number(id, 'queued'), running = number(id, 'running'),
    done = number(id, 'succeeded'), failed = number(id, 'failed')}))
end

-- The sets in which a job or sub-job of that status stands: that of all jobs, and that of its tenant if it has one.
local function shelves(job, status)
  if job.parent then return {key('sub-jobs', job.parent, status)} end
  if not job.tenant then return {key('jobs', job.kind, status)} end
  return {key('jobs', job.kind, status), key('jobs', job.kind, status, job.tenant)}
end

local function shelve(job, status)
  for _, shelf in ipairs(shelves(job, status)) do redis.call('ZADD', shelf, 0, job.id) end
  if job.tenant and not job.parent then redis.call('HSET', key('tenants'), job.id, job.tenant) end
end

local function move(job, to)
  for _, shelf in ipairs(shelves(job, job.status)) do redis.call('ZREM', shelf, job.id) end
  shelve(job, to)
  if job.parent then count_sub_jobs(job.parent) end
end

local function tell(id, progress)
  redis.call('HSET', key('job', id), 'progress', progress)
  emit(id, 'progress', progress)
end

local function restage(job, stage)
  if job.parent then return end
  local progress = cjson.decode(redis.call('HGET', key('job', job.id), 'progress'))
  tell(job.id, cjson.encode({fraction = progress.fraction, stage = stage, eta_seconds = cjson.null}))
end

local function claim(job, now, lease)
  redis.call('HSET', key('job', job.id), 'status', 'running')
  redis.call('HSETNX', key('job', job.id), 'started_at', now)
  redis.call('SET', key('lease', job.id), job.attempt, 'PX', lease)
  move(job, 'running')
  restage(job, 'starting')
  redis.call('HINCRBY', key('counted'), 'attempts:' .. job.kind, 1)
end

local function put_back(job, now, stage)
  redis.call('HINCRBY', key('job', job.id), 'attempt', 1)
  redis.call('HSET', key('job', job.id), 'status', 'queued', 'queued_at', now)
  redis.call('DEL', key('lease', job.id))
  move(job, 'queued')
  restage(job, stage)
end

-- Write down how a job or sub-job has ended.
local function close(job, status, now, result, error)
  redis.call('HSET', key('job', job.id), 'status', status, 'ended_at', now)
  if result ~= '' then redis.call('HSET', key('job', job.id), 'result', result) end
  if error ~= '' then redis.call('HSET', key('job', job.id), 'error', error) end
  redis.call('DEL', key('lease', job.id))
  move(job, status)
end

-- Add to its job's work what a sub-job has done since it last said so.
local function work(sub_job, fraction)
  local done = fraction - tonumber(redis.call('HGET', key('job', sub_job.id), 'worked') or '0')
  redis.call('HSET', key('job', sub_job.id), 'worked', fraction)
  redis.call('HINCRBYFLOAT', key('job', sub_job.parent), 'worked', done)
end
