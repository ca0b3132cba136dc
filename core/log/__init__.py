"""The log: a port with two adapters, PostgreSQL and Apache Kafka."""
