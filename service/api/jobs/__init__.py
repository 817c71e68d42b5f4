"""The way to the jobs: their queue, their events, and whether one can work at all."""
