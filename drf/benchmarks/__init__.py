"""What `drf` costs: workloads that anybody can repeat, a unit to measure them in, and the table of goals.

`calibration` is the unit, `workload` says what a workload is, `catalogue` lists them all; `runner` measures each in a
process of its own (`child`), `report` makes the table and compares two of them. Operations that can be counted
exactly are in `counts`. This is the one place besides `drf.simulation.compare` that reads a clock, and nothing
decides by it.
"""
