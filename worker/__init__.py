"""What takes minutes or hours: training, evaluating, augmenting a whole data set.

`python -m worker` is the supervisor; it keeps one queue process for each of `settings.queues`, which starts a new
process for each job. Only a job's own process imports torch. Any of them may be killed at any time: a job's record and
its checkpoints say where the next attempt goes on.

    supervisor ─┬─ queue process (train) ──── job's process
                ├─ queue process (evaluate) ─ job's process
                ├─ queue process (augment) ── job's process
                └─ reconciler, a thread
"""
