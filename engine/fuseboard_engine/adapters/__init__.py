"""What can be an adapter: callables, streams, objects with a life of their own, HTTP endpoints, programs.

Each kind is one module. Whatever a kind is made of, the engine is handed a `Target`; a new kind is an object with a
`call`, and nothing else changes.
"""
