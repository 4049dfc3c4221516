"""Joins the packages: each port of one is filled with a part of another, here and only here.

visitors    the request path: the gate and the ways to the apps
access      who may call the API
selling     what sells, and the control application
notices     who hears of changes
extras      what demo mode changes
"""
