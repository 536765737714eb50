"""Dead letters: tasks that no adapter and no fallback could do, kept until someone retries or discards them.

`letter` holds the values, `policy` what a user decides, `schedule` the pure decisions, `store` what keeps letters must
offer, `memory` the store of an engine that is not recorded, `queue` the door and the retries.
"""
