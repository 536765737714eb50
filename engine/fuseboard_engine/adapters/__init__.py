"""The kinds of adapter: callables, streams, objects with a lifecycle, HTTP endpoints, programs.

One module per kind. The engine calls each of them through a `Target`; a new kind is an object with a `call`, and
nothing else changes.
"""
