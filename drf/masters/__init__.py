"""Masters: `drf` inside engines that run tasks. Each is a module of its own, imported by whoever uses it."""
