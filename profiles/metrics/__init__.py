"""Metrics: what people did, read as columns when it is asked for, and what figures are made of that."""
