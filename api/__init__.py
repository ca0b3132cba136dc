"""Asking: HTTP and server-sent events."""
