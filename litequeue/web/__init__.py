"""The page in the browser: everything about one file, rendered by the server.

Read ``messages`` first: what is asked and answered.

Has no SQL (that is ``store/pages``), and changes nothing but through what users of an app change it with. May import whatever lies below ``app``.
"""
