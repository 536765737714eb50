"""Dead letters: tasks that no adapter and no fallback could do, kept until they are retried or discarded.

`letter` holds the values, `policy` the user's decisions, `schedule` the pure decisions, `store` the interface of a
store, `memory_store` the store of an engine that is not recorded, `queue` the public operations, `worker` the retries.
"""
