"""What takes minutes or hours: training, evaluating, and augmenting a whole data set.

`python -m worker` is the supervisor. It keeps processes running for each of `settings.queues`, and each of those starts
a new process for each job. Only a job's own process imports torch. Any of them may be killed at any time: a job's
record and its checkpoints say where the next attempt goes on.

    supervisor ─┬─ queue process (train) ──── job's process
                ├─ queue process (evaluate) ─ job's process
                ├─ queue process (augment) ── job's process
                └─ reconciler, a thread
"""
