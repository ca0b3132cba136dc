"""What happened: a platform's request becomes an event, and the event goes to the log."""
