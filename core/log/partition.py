"""Which partition a key belongs to: one answer for every adapter."""

from zlib import crc32


def partition_of(key: str, partitions: int) -> int:
    """Return the partition, from 0 up to *partitions* - 1, of every record that has *key*.

    The answer must stay what it is: were it to change, the records of one key would stand in two partitions and be read
    out of order.
    """
    return crc32(key.encode()) % partitions
