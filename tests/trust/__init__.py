"""What a second user of the host must not be able to do, tried by real second users, and what must go on working.

Read ``world`` first: directories with owners and modes outside of pytest's own, which are closed to others, and how something
is done there as somebody else. ``forged`` makes SQLite's logs by hand, as somebody does who may write beside a database.
One file for each kind of way in. A test of a way that is open yet is marked ``xfail``: strictly, so that whoever closes it
takes the mark away. All of them need root, to be other people, and are skipped without.
"""
