"""Whom we ask: what is needed of an exchange."""
