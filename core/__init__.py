"""The words and the wires: event, identifier, log, database, settings."""
