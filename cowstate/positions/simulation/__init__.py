"""A world to try it in: clocks, tapes, an exchange on paper, and whole runs."""
