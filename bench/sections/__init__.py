"""What is measured beside the table, each in a file.

mixed       the table again, with no two requests alike
latency     what a request waits more, at half load
bodies      a large body in either direction, and the memory that it costs
websockets  the memory of an idle WebSocket
workers     two workers beside one
"""
