"""Ads: the clicks that platforms report while they happen."""
