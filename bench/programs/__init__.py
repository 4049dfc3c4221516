"""Programs that a benchmark starts as processes of their own.

handler   a plain reverse proxy on aiohttp, as most people would write one
"""
