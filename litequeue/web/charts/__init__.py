"""Charts as SVG that the page may stretch: geometry alone, every word is HTML around it. No script draws anything.

Read ``geometry`` first, the scales; ``small`` has sparklines, meters and the bars of ticks, ``series`` a range of time (how many ended, how long they waited), ``spread`` how long
runs take, ``life`` the attempts of one job, ``graph`` where the jobs of a flow stand. Each is named by a sentence with its news, and stands beside a table of the same.
Pure. May import what the pages may.
"""
