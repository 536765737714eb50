"""Virtual time, faults and scenarios for the tests of an application, and a plugin for pytest."""
