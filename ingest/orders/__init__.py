"""Orders: what Shopify, WooCommerce and Youzan tell of what was bought."""
