"""A page over the file of a store, live in a browser: what ``cowstate serve`` serves."""
