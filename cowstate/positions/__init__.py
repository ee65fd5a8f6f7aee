"""Positions of a grid trader: the reference application."""
