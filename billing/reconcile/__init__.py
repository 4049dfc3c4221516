"""What finds and mends the differences that no event told of; there should be none.

reconciler  reads a little all the time, one process at once
check       reads one object, and tells drift from what is merely on its way
missed      events that were never delivered
survey      an operator's look at everything, or at one client, before anything is written
refresh     one client's facts read at once, before it is refused
"""
