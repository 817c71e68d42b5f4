"""The whole service on one machine: its processes, its embedded Valkey, its ports and health."""
