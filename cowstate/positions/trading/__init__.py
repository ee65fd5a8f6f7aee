"""What we do: the grid and its plan, the manager who owns the slots, the strategy's rounds."""
