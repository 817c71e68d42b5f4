"""The names of everything that is kept in Redis, made here for Python and in `lua/prelude.lua` for the scripts.

    latentaug:job:<id>                hash: the record of a job or sub-job, its format, and what only workers need:
                                      deaths, owner, reserved (a name), queued_at, the request_id and traceparent that
                                      it came from; of a sub-job worked, its fraction; of its job low, high, since,
                                      total and worked
    latentaug:lease:<id>              exists while the process that works at it gives signs of life
    latentaug:events:<id>             stream of a job's events: progress, metrics and, last, end
    latentaug:processes:<id>          hash: what each process of a job works at now, "<id> <attempt>", by the
                                      "<id> <attempt>" that it was started for
    latentaug:sub-jobs:<id>:<status>  sorted set of the ids of a job's sub-jobs, until the job ends
    latentaug:jobs:<kind>:<status>    sorted set of the ids of all jobs: the index that lists are read from
    latentaug:jobs:<kind>:<status>:<tenant>
                                      those of one tenant
    latentaug:tenants                 hash: the tenant of each job that has one, by the job's id
    latentaug:ends                    sorted set of the ids of ended jobs, by the second in which they ended
    latentaug:ends-emptied            the same of those whose files were deleted and whose records are kept; no job is
                                      in both
    latentaug:indexed                 the index's format, once it holds the jobs that are in the artefact store
    latentaug:indexing                exists while jobs are added to it until it does
    latentaug:unstored                set of the ids of ended jobs whose record is not yet in the artefact store
    latentaug:webhooks                sorted set of the ids of ended jobs whose webhook is to be sent, by the second in
                                      which it is due
    latentaug:webhook-tries           hash: how often each of these was tried
    latentaug:ended                   hash: how many jobs have ended, by "<kind>:<status>"
    latentaug:counted                 hash: what workers have done, by "<name>:<kind>" or "<name>:<kind>:<status>"
    latentaug:request:<digest>        hash: the job that an idempotency key stands for, and the request's digest
    latentaug:allowed:<name>:<caller>:<window>
                                      how much of something a caller has taken in a window of time
    latentaug:clock                   hash: when somebody last looked at the clock, and for how long it is doubted
    latentaug:reserved:<name>         id of the unfinished job that holds a name; a tenant's is `<tenant>~<name>`
    latentaug:deleting:<path>         exists while the data set or model at that path is being deleted
    latentaug:stored                  hash: whose data set, model or job a path in the store is, "<owner> <bytes>"
    latentaug:stored-bytes            hash: the sum of these bytes, by owner
    latentaug:unfinished:<owner>      set of the ids of the jobs of a key's owner that wait or run

All members of the sorted sets whose second is not named have the score 0, so that they stand in the order of their
ids: the order in which the jobs were made. RQ's own keys begin with `rq:`. The scripts compute keys as they run, so
this needs one Redis or Valkey server and does not work with a cluster.
"""


def key(*parts: str) -> str:
    """Return a key's name."""
    return ":".join(("latentaug", *parts))
