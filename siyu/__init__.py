"""The command line, and the only place that reads settings and chooses adapters."""
