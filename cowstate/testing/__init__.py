"""For those who test what they build on a store: see `cowstate.testing.schedules`."""
