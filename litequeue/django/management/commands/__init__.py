"""The commands of the app: ``litequeue``."""
