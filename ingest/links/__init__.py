"""Tracked links: minted for a campaign or for each recipient, opened by whoever has them."""
