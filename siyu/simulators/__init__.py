"""Platforms as they behave: each signs, sends and tries again like the real one, and judges our answers."""
