"""What is compared: a file for each peer, and one for ourselves.

stack     what all of them are
tollway   ourselves, as shipped
nginx     plain, and with auth_request
haproxy   plain
envoy     with ext_authz
caddy     with forward_auth
handler   a plain reverse proxy on aiohttp
every     all of them, in the order of the table
"""
