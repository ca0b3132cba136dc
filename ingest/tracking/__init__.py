"""The tracking API that the SDKs of Segment and RudderStack speak."""
