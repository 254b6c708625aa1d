"""What the pages in a browser show, read from the file: one record a page.

Read ``parts`` first, the values and rows that pages share, then ``records``, what each page is made of. Changes nothing, and holds neither HTML nor the words that a page
makes of a number. May import what the store may.
"""
