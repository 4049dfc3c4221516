"""The apps' side.

`server` is one server of an app with its idle connections and its standing, `upstream`
chooses among an app's servers, `health` asks them whether they are well, `connection` sends
requests and reads answers, and `address` tells where and how to connect. `ports` is what a
connection tells to others, `errors` what can go wrong before the visitor has had an answer.
"""
