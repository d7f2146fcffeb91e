"""A device that executes nothing, for tests: the real processes and the real protocol around a driver in Python."""
