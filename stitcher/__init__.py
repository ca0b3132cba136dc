"""Who it was: events become evidence, and evidence becomes people."""
