"""Workflows: nodes that wait for each other, each a route over adapters, saved as they finish.

`graph` holds what a workflow is and refuses what cannot be one, `model` builds it, `progress` decides what may begin,
`data` carries values from node to node, `checkpoints` says what must be kept, `binding` gives nodes their adapters, and
`runner` runs it.
"""
