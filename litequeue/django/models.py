"""No models: Django sends ``post_migrate``, at which the queue's tables are made, only to apps that have this module. Owns nothing."""
