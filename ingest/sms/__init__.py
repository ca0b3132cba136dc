"""Text messages: what became of them, and what was replied."""
