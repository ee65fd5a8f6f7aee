"""What we know: the slots of a grid, each order joined into its own, and the store of them."""
