"""The whole program against real receivers: what they show is what the simulator billed.

The gateway and the daemon run as processes of their own, as a user starts them. Every test
compares what a receiver that we did not write answers with the truth of the simulated world.
"""
