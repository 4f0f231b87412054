"""The parts of bench_online.py: the agent, the way without Leyden, and what each process costs."""
