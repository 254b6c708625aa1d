"""``python -m litequeue``."""

from .cli import main

raise SystemExit(main())
