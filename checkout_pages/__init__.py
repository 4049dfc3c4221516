"""The gateway's own pages: signing in, choosing a plan, coming back from paying, the account.

ports          what these pages need: a shop, and the visitors' sessions
routes         the table of pages
views          one handler a page
return_flow    back from the provider: applied, settling, or not paid
forms          what a form may hold, and proof that it is ours (CSRF)
presentation   money, dates and states as a visitor reads them
templates/     what is drawn; static/ its style
"""
