"""Workflows: nodes that depend on each other, each a route over adapters, saved as they finish.

`graph` defines and validates the structure of a workflow, `workflow` builds and executes it, `ready_queue` decides
which nodes may begin, `json_values` passes values between nodes, `checkpoints` is the protocol of the stores that
save runs,
`binding` gives nodes their adapters, `runner` executes a run, and `service` holds the workflows of an engine.
"""
