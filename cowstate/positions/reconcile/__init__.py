"""Whether it is true: what a look at the exchange means, and the loop that looks."""
