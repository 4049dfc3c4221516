"""What a process knows of clients, kept in a file for one that starts while Postgres is down.

records  what is kept of one client, and for how long it is good
file     the signed file: written at once or not at all, refused if anything about it is wrong
seeds    what came from files, until it is known better
keeper   writes now and then, and reads at the start
"""
