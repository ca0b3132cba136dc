"""Webhooks: what is announced, sent to addresses that subscribers name, signed, and tried again until they have it."""
