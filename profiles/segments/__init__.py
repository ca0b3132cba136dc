"""Segments, layers and stages: who meets which condition, live."""
