"""Parameters that lie on several processes: each steps its own shard, and all come to one verdict."""
