"""The bridge to Celery, with Celery, Redis and RabbitMQ themselves."""
