"""The page in the browser: everything about one file, rendered by the server.

Read ``messages`` first: what is asked and answered. Then ``pages``, a function for each of them, and what they are made with: ``html`` (elements, and the one escape), ``words`` (numbers and
times), ``values`` (a state, a moment, a button), ``code`` (JSON, tracebacks, output), ``charts``, ``icons``, ``addresses`` (links) and ``frame`` (what stands around each page).
In ``static/`` lie the one style sheet, the one script and the icon.

Has no SQL (that is ``store/pages``), and changes nothing but through what users of an app change it with. May import whatever lies below ``app``.
"""
