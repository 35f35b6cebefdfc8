"""Fills a running stack with seeded data, as `make up` and `make demo` do."""

import asyncio

from rich.console import Console

from local_stack.data import Population
from local_stack.progress import progress_bar
from local_stack.publish import Published, publish, snapshots
from local_stack.stack import Stack


def publish_population(stack: Stack, population: Population, console: Console) -> Published:
    """Publishes everything in the name of the systems that own it."""
    with progress_bar(console, "members published", population.member_count) as bar:
        return asyncio.run(
            publish(
                stack.kafka.bootstrap_servers,
                stack.tenant_id,
                snapshots(population),
                lambda published: bar(published.members),
            )
        )
