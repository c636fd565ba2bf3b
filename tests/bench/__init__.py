"""The benchmark: one gateway worker beside a bare forwarder and beside no gateway at all. See README.md."""
