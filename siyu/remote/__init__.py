"""What `siyu.client` is made of. Nothing here imports the rest of Siyu: a client needs no database and no web framework."""
