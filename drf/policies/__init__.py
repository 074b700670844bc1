"""Rules that order clients or divide a pool; one object serves a live sorter, a division and a simulation."""
