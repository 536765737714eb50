"""The parts that all screens of the console share: themes, bindings, alerts, and the protocols of the app."""
