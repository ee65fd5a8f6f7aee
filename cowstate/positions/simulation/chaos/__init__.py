"""A venue that does all that venues do, rules that live with it, and an oracle that judges them."""
