"""A grid that trades until it is told to stop: prices, the turns of the loop, how it ends."""
